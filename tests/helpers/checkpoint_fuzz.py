"""Feed damaged checkpoints to the reader in a process of its own: `python -m ... COUNT SEED`.

Every file of seed bytes is damaged as bytes, and with knowledge of its format as well: instructions
of a pickle are swapped, repeated and given other numbers, entries of a zip are packed anew around a
damaged pickle, and the header of a safetensors file is damaged under a length that fits.
"""

import faulthandler
import io
import json
import pickle
import pickletools
import random
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from itportrait.errors import CheckpointError
from itportrait.perception.files import save_compressed
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from itportrait.styles import WeightStyle
from itportrait.weights.checkpoints import read_checkpoint
from tests.helpers.bounded import SPARE, forbid_more_than, peak_memory
from tests.helpers.mutations import mutations
from tests.helpers.published import published_pickle, to_persistent

SECONDS = 10
NUMBERS = (
    0,
    1,
    2,
    -1,
    255,
    1 << 16,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 40,
    1 << 62,
    1 << 63,
    1 << 200,
)
NO_MEMORY = "lacks the memory"


def network() -> torch.nn.Module:
    """Return a small network with everything that a published one has."""
    torch.manual_seed(0)
    model = torch.nn.Module()
    model.add_module("inner", torch.nn.Linear(3, 2))
    model.add_module("net", torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Softplus()))
    model.register_buffer("scale", torch.randn(4, 5).t())
    model.register_buffer("halved", torch.randn(3).half())
    model.register_parameter("absent", None)
    model._init_kwargs = {"z_dim": 512, "rendering_kwargs": {"ray_start": 2.25}}
    model.neural_rendering_resolution = 128
    return model


@dataclass(frozen=True)
class Good:
    """A good file, and what reads it."""

    suffix: str
    content: bytes
    read: Callable[[Path], Any] = read_checkpoint


def good_files() -> list[Good]:
    """Return good files of every kind that is read."""
    model = network()
    content = {"G": None, "G_ema": model, "step": 3}
    files = [Good(".pkl", published_pickle(content, protocol=n)) for n in (2, 3, 4, 5)]
    state = model.state_dict()
    for zipped in (True, False):
        stream = io.BytesIO()
        torch.save({"G_ema": state}, stream, _use_new_zipfile_serialization=zipped)
        files.append(Good(".pt", stream.getvalue()))
    with to_persistent(model) as persistent:
        stream = io.BytesIO()
        torch.save({"G_ema": persistent}, stream)
        files.append(Good(".pt", repack(stream.getvalue())))
    plain = {name: value.contiguous() for name, value in state.items()}
    files.append(Good(".safetensors", save(plain)))
    adapter = WeightStyle("bronze", "tiny-1", {"a.weight": torch.ones(3, 4)}, {"steps": 4})
    files.append(Good(".safetensors", adapter.to_bytes(), WeightStyle.load))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        PerceptualModel(ConvTrunk((4, 6), (1, 2))).save(path)
        files.append(Good(".safetensors", path.read_bytes(), PerceptualModel.load))
        save_compressed(plain, path)
        files.append(Good(".pt", path.read_bytes()))
    return files


def repack(data: bytes, change=lambda pickled: pickled, compression=zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip with the same entries, its pickle changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for entry in old.infolist():
            content = old.read(entry)
            changed = change(content) if entry.filename.endswith("data.pkl") else content
            new.writestr(entry.filename, changed)
    return out.getvalue()


def damage_instructions(data: bytes, draw: random.Random) -> bytes:
    """Return a pickle whose instructions were swapped, repeated, dropped or given other numbers."""
    try:
        starts = [position for _, _, position in pickletools.genops(data)]
    except Exception:  # a legacy file: several pickles and raw bytes; the first one is damaged
        return data
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    for _ in range(draw.randint(1, 4)):
        at, other = draw.randrange(len(parts)), draw.randrange(len(parts))
        kind = draw.choice(("swap", "drop", "repeat", "copy", "number", "wrap", "insert", "inner"))
        if kind == "swap":
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == "drop":
            parts[at] = b""
        elif kind == "repeat" and len(parts[at]) < 100:
            parts[at] *= draw.choice((2, 3, 1000))
        elif kind == "copy":
            parts[at] = parts[other]
        elif kind == "number" and parts[at][:1] in b"KMJ\x8aIqhrj" and parts[at]:
            parts[at] = odd_number(parts[at][:1], draw)
        elif kind == "wrap":
            parts[at] += draw.choice((b"\x85", b"\x86", b"\x87", b"t", b"l", b"d", b"b", b"R"))
        elif kind == "insert":
            parts[at] += bytes([draw.randrange(256)])
        elif kind == "inner" and parts[at][:1] == b"B":
            inner = next(mutations([parts[at][5:]], 1, draw.randrange(1 << 30)))
            parts[at] = b"B" + struct.pack("<I", len(inner)) + inner
    return b"".join(parts)


def odd_number(code: bytes, draw: random.Random) -> bytes:
    """Return an instruction of the same kind with a number that is rarely met."""
    if code in b"qhrj":
        return draw.choice((b"r", b"j")) + struct.pack("<I", draw.choice(NUMBERS) & 0xFFFFFFFF)
    return pickle.dumps(draw.choice(NUMBERS), protocol=2)[2:-1]


def damage_header(data: bytes, draw: random.Random) -> bytes:
    """Return a safetensors file whose header is damaged, under a length that fits."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    name = draw.choice([key for key in header if key != "__metadata__"])
    field = draw.choice(("dtype", "shape", "data_offsets", "deep", "text"))
    odd = draw.choice(NUMBERS)
    if field == "dtype":
        header[name]["dtype"] = draw.choice(("F64", "F8_E4M3", "I4", "C64", 3, None))
    elif field == "shape":
        header[name]["shape"] = draw.choice(([odd], [odd, odd], [0, odd], "x", [2.0], [[1]]))
    elif field == "data_offsets":
        header[name]["data_offsets"] = draw.choice(([0, odd], [odd, odd + 8], [8], None, ["0", 8]))
    text = json.dumps(header).encode()
    if field == "deep":
        text = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    elif field == "text":
        text = next(mutations([text], 1, draw.randrange(1 << 30)))
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def damaged(count: int, seed: int) -> Iterator[Good]:
    """Yield damaged files, half of them with knowledge of their format."""
    files = good_files()
    plain = mutations([file.content for file in files], count, seed)
    for index, content in enumerate(plain):
        good = files[index % len(files)]
        draw = random.Random(f"structured:{seed}:{index}")
        if draw.random() < 0.5:
            yield replace(good, content=content)
        else:
            yield replace(good, content=damage_format(good, draw))


def damage_format(good: Good, draw: random.Random) -> bytes:
    """Return the content of a file that still looks like one of its format."""
    if good.suffix == ".safetensors":
        return damage_header(good.content, draw)
    if good.content[:2] == b"PK":
        packing = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        return repack(good.content, lambda data: damage_instructions(data, draw), packing)
    return damage_instructions(good.content, draw)


def fuzz(count: int, seed: int) -> dict[str, float]:
    """Read `count` damaged files; return what came of them, the slowest time and the memory.

    Raises:
        AssertionError: the reader raised what it does not document, or took too much.
    """
    outcomes = {"read": 0, "refused": 0, "unforeseen": 0, "slowest_s": 0.0, "memory_mb": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        for good in good_files():  # whatever is imported or built once
            path = Path(folder, "good" + good.suffix)
            path.write_bytes(good.content)
            good.read(path)
        before = peak_memory()
        forbid_more_than(2 * SPARE)
        for file in damaged(count, seed):
            path = Path(folder, "x" + file.suffix)
            path.write_bytes(file.content)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            began = time.perf_counter()
            try:
                file.read(path)
                outcomes["read"] += 1
            except CheckpointError as error:
                outcomes["refused"] += 1
                message = str(error)
                if str(path) not in message or NO_MEMORY in message or "Error: " in message:
                    outcomes["unforeseen"] += 1
                    print(message, file=sys.stderr)
            faulthandler.cancel_dump_traceback_later()
            outcomes["slowest_s"] = max(outcomes["slowest_s"], time.perf_counter() - began)
    outcomes["memory_mb"] = (peak_memory() - before) / 2**20
    assert outcomes["memory_mb"] < SPARE >> 20, outcomes
    return outcomes


if __name__ == "__main__":
    faulthandler.enable()
    print(json.dumps(fuzz(int(sys.argv[1]), int(sys.argv[2]))))
