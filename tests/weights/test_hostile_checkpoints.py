"""Whatever a checkpoint's bytes are: one kind of error, no crash, no hang, bounded memory."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.weights.checkpoints import open_checkpoint, read_checkpoint
from tests.helpers.bounded import SPARE, read_bounded
from tests.helpers.checkpoint_fuzz import good_files, network
from tests.helpers.published import published_pickle

FAULTS = Path(__file__).parents[3] / "shared" / "faults" / "checkpoints"

KEEP, KEPT = b"r\xff\x00\x07\x00", b"j\xff\x00\x07\x00"
"""Put a value into the memo, and take it out again."""


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return pickle.dumps(value, protocol=2)[2:-1]


def named(module, name):
    return b"c" + f"{module}\n{name}\n".encode()


def nested_storage(values=4):
    stream = io.BytesIO()
    torch.save(torch.zeros(values).storage(), stream, _use_new_zipfile_serialization=False)
    data = stream.getvalue()
    payload = b"B" + struct.pack("<I", len(data)) + data
    return named("torch.storage", "_load_from_bytes") + payload + b"\x85R"


def tensor(size, stride, storage=None, offset=0):
    shape = b"".join((b"(", *map(number, size), b"t", b"(", *map(number, stride), b"t"))
    return (
        named("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + (storage or nested_storage())
        + number(offset)
        + shape
        + b"\x89NtR"
    )


def state_dict(value):
    return b"\x80\x02}" + text("w") + value + b"s."


def module(state):
    return (
        b"\x80\x02" + named("torch.nn.modules.container", "Sequential") + b")\x81" + state + b"b."
    )


def altered(record, state):
    return state_dict(record + b"N}" + text("args") + state + b"s\x86b")


# What the five bytes of a pickle can ask for, and what its reader says instead.
PICKLES = {
    "memo index of gigabytes": (
        b"\x80\x02Nr" + struct.pack("<I", 300_000_000) + b".",
        "memo index",
    ),
    "memo index that is not there": (b"\x80\x02h\x07.", "nothing at memo index 7"),
    "negative memo index": (b"\x80\x02Np-1\n.", "memo index -1"),
    "bytes of exabytes": (
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b".",
        "are said to follow",
    ),
    "bytearray of exabytes": (
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 63) + b".",
        "said to follow",
    ),
    "text of gigabytes": (b"\x80\x02X" + struct.pack("<I", 0xFFFFFFFF) + b".", "said to follow"),
    "text of exabytes": (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 63) + b".", "said to follow"),
    "frame past the end": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b"N.", "holds no"),
    "text that is none": (b"\x80\x02X\x02\x00\x00\x00\xff\xfe.", "a text is none"),
    "number of gigabytes": (b"\x80\x02\x8b" + struct.pack("<I", 0x7FFFFFFF) + b".", "a number of"),
    "number of a million digits": (b"I" + b"9" * 1_000_000 + b"\n.", "line of more than 1024"),
    "number of 900 digits": (b"L" + b"9" * 900 + b"L\n.", "holds no generator"),
    "number that is none": (b"Iabc\n.", "is no number"),
    "line without an end": (b"c" + b"a" * 2_000_000, "line of more than 1024"),
    "name with control characters": (named("os\x1b[2J", "system") + b".", r"\\x1b"),
    "name that is no text": (b"\x80\x04K\x01K\x02\x93.", "a name that is no text"),
    "extension registry": (b"\x80\x02\x82\x01.", "no file of weights has the instruction"),
    "instance of old": (b"(ios\nsystem\n.", "no file of weights has the instruction"),
    "buffers out of band": (b"\x80\x05\x97.", "no file of weights has the instruction"),
    "protocol of the future": (b"\x80\x09N.", "protocol 9 is not known"),
    "empty stack": (b"\x80\x02.", "a value is missing"),
    "value under a mark": (b"\x80\x02N(0\x85.", "holds no generator"),
    "mark that is missing": (b"\x80\x02Nt.", "a mark is missing"),
    "key without a value": (b"\x80\x02}(Nu.", "a key without a value"),
    "list as a key": (b"\x80\x02}]Ns.", "list as a dictionary's key"),
    "tuple in a tuple as a key": (b"\x80\x02}N\x85\x85Ns.", "tuple as a dictionary's key"),
    "items for a list": (b"\x80\x02](NNu.", "list where a dict belongs"),
    "append to a dictionary": (b"\x80\x02}Na.", "dict where a list belongs"),
    "append to a name": (named("torch", "FloatStorage") + b"Na.", "where a list belongs"),
    "add to a list": (b"\x80\x04](K\x01\x90.", "list where a set belongs"),
    "set of lists": (b"\x80\x04\x8f(]\x90.", "list as a dictionary's key"),
    "call of a number": (b"\x80\x02K\x01)R.", "it calls 1"),
    "call of a storage's type": (named("torch", "FloatStorage") + b")R.", "FloatStorage, which is"),
    "set of a list of lists": (named("builtins", "set") + b"]]a\x85R.", "a set of what is no text"),
    "ordered dictionary of a list": (
        named("collections", "OrderedDict") + b"]]a\x85R.",
        "no pairs",
    ),
    "build of a number": (b"\x80\x02K\x01}b.", "it alters 1"),
    "state for a name": (named("collections", "OrderedDict") + b"}b.", "tries to alter"),
    "state in slots for a module": (module(b"N}\x86"), "has no state of its own"),
    "modules that are none": (module(b"}" + text("_modules") + b"Ns"), "None instead of a dict"),
    "modules that are numbers": (
        module(b"}" + text("_modules") + b"K\x03s"),
        "3 instead of a dict",
    ),
    "parameters that are text": (
        module(b"}" + text("_parameters") + text("x") + b"s"),
        "'x' instead",
    ),
    "settings that are a list": (module(b"}" + text("_init_kwargs") + b"]s"), "are no settings"),
    "tensor's arguments replaced": (
        altered(tensor((4,), (1,)), b"(t"),
        "tries to alter",
    ),
    "storage's arguments replaced": (altered(nested_storage(), b"(t"), "tries to alter"),
    "tensor without a storage": (
        state_dict(named("torch._utils", "_rebuild_tensor_v2") + b"(NNNNtR"),
        "has no storage",
    ),
    "tensor with few arguments": (
        state_dict(named("torch._utils", "_rebuild_tensor_v2") + b")R"),
        "has no storage",
    ),
    "storage without bytes": (
        state_dict(named("torch.storage", "_load_from_bytes") + b"N\x85R"),
        "has no bytes",
    ),
    "storage of other bytes": (
        state_dict(tensor((4,), (1,), named("torch.storage", "_load_from_bytes") + b"C\x01N\x85R")),
        "a storage is malformed",
    ),
    "stride of 0 for 4 GB": (state_dict(tensor((10**9,), (0,))), "claim far more bytes"),
    "size past 64 bits": (state_dict(tensor((1 << 63,), (0,))), "no valid shape"),
    "sizes whose product overflows": (
        state_dict(tensor((1 << 40, 1 << 40), (0, 0))),
        "valid shape",
    ),
    "sizes and 0": (state_dict(tensor((0, 1 << 62), (1, 1))), "no valid shape"),
    "offset past the storage": (state_dict(tensor((1,), (1,), offset=4)), "is truncated"),
    "negative offset": (state_dict(tensor((1,), (1,), offset=-1)), "no valid shape"),
    "stride past the storage": (state_dict(tensor((2,), (1 << 47,))), "is truncated"),
    "sizes without strides": (state_dict(tensor((2, 2), (1,))), "2 sizes and 1 strides"),
    "a hundred dimensions": (state_dict(tensor((1,) * 100, (1,) * 100)), "no valid shape"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_malformed_pickles_are_refused_in_words(tmp_path, name):
    data, message = PICKLES[name]
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_modules_that_hold_each_other_many_times(tmp_path):
    # Thirty levels that each hold the next one twice: a thousand million modules by name.
    inner = b"}" + text("_modules") + b"}s"
    data = module(inner)[2:-1]
    for _ in range(30):
        twice = b"}(" + text("a") + data + b"q\x01" + text("b") + b"h\x01u"
        data = module(b"}" + text("_modules") + twice + b"s")[2:-1]
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + data + b".")
    with pytest.raises(CheckpointError, match="have more than 100000 parts"):
        read_checkpoint(tmp_path / "x.pkl")


def test_settings_that_hold_each_other_many_times_are_no_settings(tmp_path):
    level: list = [1]
    for _ in range(40):
        level = [level, level]
    model = network()
    model._init_kwargs = {"z_dim": level}
    (tmp_path / "x.pkl").write_bytes(published_pickle({"G_ema": model}))
    with pytest.raises(CheckpointError, match="are no settings"):
        read_checkpoint(tmp_path / "x.pkl")
    model._init_kwargs, model.odd = {}, level
    (tmp_path / "x.pkl").write_bytes(published_pickle({"G_ema": model}))
    assert "odd" not in read_checkpoint(tmp_path / "x.pkl").attributes


# --- zips


def torch_zip(state, **options):
    stream = io.BytesIO()
    torch.save(state, stream)
    out = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(out, "w", **options) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return out.getvalue()


def patched(data, offset, value):
    """Return a zip with two bytes altered in every entry of its directory."""
    data = bytearray(data)
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + offset : at + offset + 2] = struct.pack("<H", value)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def directory_of(entries):
    header = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *[0] * 16)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, entries * 46, 4, 0)
    return b"PK\x03\x04" + header * entries + end


ZIPS = {
    "encrypted": (lambda: patched(torch_zip({"a": torch.ones(9)}), 8, 1), "is encrypted"),
    "packed by method 99": (lambda: patched(torch_zip({"a": torch.ones(9)}), 10, 99), "method 99"),
    "packed by lzma": (
        lambda: torch_zip({"a": torch.ones(9)}, compression=zipfile.ZIP_LZMA),
        "method 14",
    ),
    "damaged storage": (
        lambda: torch_zip({"a": torch.ones(99)}).replace(b"\x00\x00\x80\x3f" * 9, b"\xff" * 36, 1),
        "Bad CRC-32",
    ),
    "no directory": (lambda: b"PK\x03\x04" + b"\x00" * 100, "not a zip"),
    "a directory of gigabytes": (lambda: directory_of(60_000), "its directory has 2760000 bytes"),
    "a missing storage": (
        lambda: torch_zip({"a": torch.ones(9)}).replace(b"/data/0", b"/data/7"),
        "has no entry",
    ),
    "big-endian": (lambda: torch_zip({"a": torch.ones(9)}).replace(b"little", b"bigbig"), "CRC-32"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_malformed_zips_are_refused_in_words(tmp_path, name):
    make, message = ZIPS[name]
    (tmp_path / "x.pt").write_bytes(make())
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "x.pt")


def test_a_zip_that_names_an_entry_twice(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(torch_zip({"a": torch.ones(9)}))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], b"N.")
    with pytest.raises(CheckpointError, match="two entries have one name"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["pickle", "zip", "legacy", "safetensors"])
def test_a_file_that_gets_shorter_while_it_is_read(tmp_path, kind):
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pkl")
    state = {"weight": torch.randn(200_000)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(state, protocol=4))
    elif kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    assert torch.equal(read_checkpoint(path).state["weight"], state["weight"])
    with open_checkpoint(path) as stored:
        os.truncate(path, 10_000)
        with pytest.raises(CheckpointError, match="truncated"):
            stored.read()


def test_a_file_that_may_not_be_read_or_is_none(tmp_path):
    os.mkfifo(tmp_path / "pipe.pkl")
    for path in (tmp_path, tmp_path / "pipe.pkl", "/dev/zero"):
        with pytest.raises(MissingModelError, match="no checkpoint at"):
            read_checkpoint(path)


# --- memory and time


def bombs(folder):
    """Write small files that stand for gigabytes, and files of millions of tiny values."""
    zeros = bytes(3 << 20)
    files = {
        "sets.pkl": b"\x80\x04(" + b"\x8f" * (40 << 20) + b"l.",
        "lists.pkl": b"\x80\x04(" + b"]" * (40 << 20) + b"l.",
        "marks.pkl": b"\x80\x04" + b"(" * (40 << 20) + b".",
        "texts.pkl": b"\x80\x04(" + (b"\x8c\xff" + "😀".encode() + b"a" * 251) * 150_000 + b"l.",
        "deep lists.pkl": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        "deep tuples.pkl": b"\x80\x02N" + b"\x85" * 400_000 + b".",
        "deep key.pkl": b"\x80\x02}N" + b"\x85" * 400_000 + b"Ns.",
        "deep persistent id.pkl": b"\x80\x02N" + b"\x85" * 400_000 + b"Q.",
        "deep call.pkl": b"\x80\x02N" + b"\x85" * 400_000 + b")R.",
        "keys of numbers.pkl": b"\x80\x02}("
        + b"".join(number((1 << 61) * k - k) + b"N" for k in range(60_000))
        + b"u.",
        "one list for many dictionaries.pkl": b"\x80\x02"
        + pickle.dumps([[str(k), k] for k in range(50_000)], protocol=2)[2:-1]
        + KEEP + b"(" + (named("collections", "OrderedDict") + KEPT + b"\x85R") * 9_000
        + b"t.",
        "one value for many attributes.pkl": module(
            b"}(" + text("a") + pickle.dumps(list(range(9_000)), protocol=2)[2:-1] + KEEP
            + b"".join(text(f"a{k}") + KEPT for k in range(60_000)) + b"u"
        ),
        "one dictionary for many modules.pkl": module(
            b"}" + text("_modules") + b"}("
            + text("a") + module(
                b"}" + text("_parameters") + b"}("
                + b"".join(text(f"p{k}") + b"N" for k in range(50_000)) + b"us"
            )[2:-1] + KEEP
            + b"".join(text(f"m{k}") + KEPT for k in range(50_000)) + b"us"
        ),
        "stride.pkl": state_dict(tensor((1 << 30,), (0,))),
        "long text.pkl": b"\x80\x02" + named("_codecs", "encode")
        + b"X" + struct.pack("<I", 30 << 20) + b"a" * (30 << 20) + text("latin1") + b"\x86R.",
        "header.safetensors": struct.pack("<Q", 1 << 63) + zeros,
        "long header.safetensors": struct.pack("<Q", 90 << 20)
        + b'{"a":"' + b"b" * ((90 << 20) - 8) + b'"}',
        "deep header.safetensors": struct.pack("<Q", 1 << 20) + b"[" * (1 << 20),
        "many header.safetensors": struct.pack("<Q", 1 << 20)
        + b'{"__metadata__":{},"a":[' + b"[]," * ((1 << 20) // 3 - 16) + b"[]]}".rjust(25),
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        stream = io.BytesIO()
        torch.save({"w": torch.zeros(4)}, stream)
        with zipfile.ZipFile(stream) as old:
            archive.writestr("a/data.pkl", old.read("archive/data.pkl"))
        with archive.open("a/data/0", "w", force_zip64=True) as entry:
            for _ in range(1 << 10):
                entry.write(bytes(1 << 20))
    shared = torch.zeros(60 << 18)
    torch.save({f"w{k}": shared[k:-9] for k in range(8)}, folder / "eight on one.pt")


@pytest.fixture(scope="module")
def bombed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    bombs(folder)
    paths = sorted(folder.iterdir())
    results = read_bounded("checkpoint", paths, timeout_s=300)
    return {path.name: (path.stat().st_size, row) for path, row in zip(paths, results, strict=True)}


def test_no_file_takes_more_than_twice_its_size_and_512_mb_or_ends_the_process(bombed):
    assert len(bombed) == 21
    for name, (size, row) in bombed.items():
        assert row["signal"] == 0, name
        assert row["memory"] < 2 * size + SPARE, (name, row)
        assert row["seconds"] < 20, (name, row)
        assert row["error"] in ("CheckpointError", "UnsafeCheckpointError"), (name, row)
        assert "lacks the memory" not in row["message"], (name, row)


def test_fuzz():
    check_fuzz(400, seed=0, timeout_s=120)


@pytest.mark.slow
def test_fuzz_of_ten_thousand():
    check_fuzz(10_000, seed=1, timeout_s=580)


def check_fuzz(count, *, seed, timeout_s):
    command = [sys.executable, "-m", "tests.helpers.checkpoint_fuzz", str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outcome = json.loads(done.stdout)
    assert outcome["read"] + outcome["refused"] == count
    assert outcome["unforeseen"] == 0, done.stderr[-3000:]
    assert outcome["refused"] > count / 2
    assert outcome["read"] > 0


def test_the_good_files_of_the_fuzz_are_read(tmp_path):
    expected = network().state_dict()
    files = [good for good in good_files() if good.read is read_checkpoint]
    assert len(files) == 9
    for index, good in enumerate(files):
        path = tmp_path / f"{index}{good.suffix}"
        path.write_bytes(good.content)
        state = read_checkpoint(path).state
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], value) for name, value in expected.items())


@pytest.mark.skipif(not FAULTS.is_dir(), reason="the folder of faults lies beside the repository")
def test_files_that_once_failed():
    paths = sorted(FAULTS.iterdir())
    assert paths
    for row in read_bounded("checkpoint", paths):
        assert row["signal"] == 0
        assert row["error"] in ("CheckpointError", "UnsafeCheckpointError"), row
        assert row["memory"] < SPARE
