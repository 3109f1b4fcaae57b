"""Files by URI: whole or absent, one winner, and nothing secret in a message."""

import errno
import json
import os
import subprocess
import sys
import threading
import uuid

import pytest

from itportrait.errors import InvalidArgumentError, OutputError
from itportrait.io import uris
from itportrait.text import shown
from tests.conftest import REPOSITORY
from tests.helpers.odd_names import NOT_UTF8, ODD_NAMES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://KEY:SECRET@bucket/a.png", "s3://***@bucket/a.png"),
        ("https://user@host/x", "https://***@host/x"),
        ("ftp://u:pa@SECRET@host/@x", "ftp://***@host/@x"),
        (
            "https://h/x?X-Amz-Signature=abc&size=3&X-Amz-Credential=AK%2F1",
            "https://h/x?X-Amz-Signature=***&size=3&X-Amz-Credential=***",
        ),
        ("see https://h/x?token=t1 and https://h/y?sig=s2", None),
        ("/data/key=3/photo.png", "/data/key=3/photo.png"),
    ],
)
def test_redact(text, expected):
    shown = uris.redact(text)
    if expected is not None:
        assert shown == expected
    for secret in ("SECRET", "abc", "AK%2F1", "t1", "s2", "user@"):
        assert secret not in shown


def test_open_unknown_protocol_names_the_remedy():
    with pytest.raises(InvalidArgumentError, match=r"foo://x.*s3://"):
        uris.open_fs("foo://x")


def test_join_keeps_roots_and_protocols():
    assert uris.join("/", "a") == "/a"
    assert uris.join("s3://b/x/", "y", 3) == "s3://b/x/y/3"


@pytest.mark.parametrize("root", ["local", "memory"])
def test_put_replaces_and_create_refuses(root, tmp_path):
    uri = uris.join(str(tmp_path) if root == "local" else f"memory://{tmp_path}", "a", "b.json")
    assert uris.read_json(uri) is None
    uris.put_bytes(uri, b"{}")
    uris.put_bytes(uri, b'{"a": 2}')
    with pytest.raises(FileExistsError):
        uris.create_bytes(uri, b'{"a": 3}')
    assert uris.read_json(uri) == {"a": 2}
    assert uris.list_names(uri.rpartition("/")[0]) == ["b.json"]
    uris.remove(uri)
    assert not uris.exists(uri)
    uris.remove(uri)


def test_list_names_sees_new_files_and_of_a_missing_folder_none(tmp_path):
    assert uris.list_names(str(tmp_path / "none")) == []
    for name in ("b", "a"):
        uris.put_bytes(str(tmp_path / name), b"")
    assert uris.list_names(str(tmp_path)) == ["a", "b"]


def test_create_has_exactly_one_winner(tmp_path):
    uri, wins = str(tmp_path / "marker"), []

    def race(number):
        try:
            uris.create_bytes(uri, f"writer {number}".encode() * 1000)
            wins.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=race, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert uris.read_bytes(uri) == f"writer {wins[0]}".encode() * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["marker"]


def test_no_place_for_the_file_names_the_path(tmp_path):
    (tmp_path / "file").write_bytes(b"not a folder")
    with pytest.raises(OutputError, match=str(tmp_path / "file" / "x")) as raised:
        uris.put_bytes(str(tmp_path / "file" / "x"), b"1")
    assert "from whatever was committed" in str(raised.value)  # nothing need have been


def test_no_space_names_the_path_and_keeps_the_former_file(tmp_path):
    """A limit on file sizes stands in for a full disk, in a process of its own."""
    uri = tmp_path / "big.bin"
    uri.write_bytes(b"former")
    code = (
        "import resource, signal, sys\n"
        "from itportrait.io import uris\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    uris.put_bytes(sys.argv[1], b'x' * 5000)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(uri)],
        capture_output=True,
        text=True,
        # The limit would cut byte code short too, and Python writes that without looking.
        env={
            "PYTHONPATH": str(REPOSITORY),
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        check=True,
    )
    assert done.stdout.startswith("OutputError")
    assert str(uri) in done.stdout
    assert uri.read_bytes() == b"former"
    assert [path.name for path in tmp_path.iterdir()] == ["big.bin"]


CALLS = {
    "put_bytes": lambda uri: uris.put_bytes(uri, b"2"),
    "read_bytes": uris.read_bytes,
    "read_json": uris.read_json,
    "exists": uris.exists,
    "list_names": lambda uri: uris.list_names(uri.rpartition("/")[0]),
    "list_sizes": lambda uri: uris.list_sizes(uri.rpartition("/")[0]),
    "read_tree": lambda uri: uris.read_tree(uri.rpartition("/")[0]),
    "remove": uris.remove,
}


@pytest.mark.parametrize("name", CALLS)
def test_what_fails_in_passing_is_tried_again(name, tmp_path, monkeypatch):
    uri, pauses = str(tmp_path / "a.json"), []
    uris.put_bytes(uri, b"{}")
    monkeypatch.setattr(uris.time, "sleep", pauses.append)
    expected = CALLS[name](uri)
    uris.put_bytes(uri, b"2" if name == "put_bytes" else b"{}")

    whole, failures = uris.open_fs, [ConnectionError("hung up"), OSError(errno.EIO, "broken")]

    def flaky(uri):
        if failures:
            raise failures.pop()
        return whole(uri)

    monkeypatch.setattr(uris, "open_fs", flaky)
    assert CALLS[name](uri) == expected
    assert pauses == [0.25, 0.5]


def test_patience_ends_and_is_not_for_lasting_failures(tmp_path, monkeypatch):
    pauses, calls = [], []
    monkeypatch.setattr(uris.time, "sleep", pauses.append)

    def broken(uri):
        calls.append(uri)
        raise error

    monkeypatch.setattr(uris, "open_fs", broken)
    error = ConnectionError("away")
    with pytest.raises(ConnectionError):
        uris.read_bytes("x")
    assert (len(calls), len(pauses)) == (4, 3)
    for error in (PermissionError(errno.EACCES, "no"), FileNotFoundError(errno.ENOENT, "none")):
        calls.clear()
        with pytest.raises(type(error)):
            uris.read_bytes("x")
        assert len(calls) == 1
    error, calls[:] = ConnectionError("away"), []
    with pytest.raises(ConnectionError):
        uris.create_bytes("x", b"")  # the first try may have won
    assert len(calls) == 1


@pytest.mark.parametrize("write", [uris.put_bytes, uris.create_bytes])
def test_a_write_that_another_job_sweeps_away_fails_in_passing_only(write, tmp_path, monkeypatch):
    target, real = tmp_path / "a", {name: getattr(os, name) for name in ("replace", "link")}
    swept = []

    def sweep_first(name):
        def call(source, path):
            if not swept:
                swept.append(source)
                source.unlink()
            real[name](source, path)

        return call

    for name in real:
        monkeypatch.setattr(os, name, sweep_first(name))
    try:
        write(str(target), b"text")
    except OutputError:
        pytest.fail("the disk is neither full nor closed")
    except OSError:  # an exclusive write is tried again by the task, which asks who won
        write(str(target), b"text")
    assert swept
    assert target.read_bytes() == b"text"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    """The URI of an empty folder on each kind of storage."""
    if request.param == "s3":
        return uris.join(request.getfixturevalue("s3"), f"store-{uuid.uuid4().hex[:8]}")
    return str(tmp_path) if request.param == "local" else f"memory://{tmp_path}"


def names_of(store):
    if uris.is_local(store):
        return ODD_NAMES + NOT_UTF8
    # The routes of moto's server end at a line break; S3 itself allows one.
    return [name for name in ODD_NAMES if "\n" not in name or not store.startswith("s3")]


def test_any_name_is_a_name_in_every_call(store):
    """As a folder and as a file; beside it lie files that it would match as a pattern."""
    for name in names_of(store):
        root = uris.join(store, name)
        uris.put_bytes(uris.join(store, "1", "x"), b"neighbour")
        uris.put_bytes(uris.join(store, "stars", "x"), b"neighbour")
        for part in (name, "plain"):
            uris.create_bytes(uris.join(root, part), part.encode("utf-8", "surrogateescape"))
            with pytest.raises(FileExistsError):
                uris.create_bytes(uris.join(root, part), b"2")
        contents = {
            part: part.encode("utf-8", "surrogateescape") for part in sorted([name, "plain"])
        }
        assert uris.list_names(root) == list(contents), name
        assert uris.read_tree(root) == contents, name
        places = {uris.join(root, part): data for part, data in contents.items()}
        assert uris.read_many([*places, uris.join(root, "none")]) == places
        fs, path = uris.open_fs(uris.join(root, name))
        with fs.open(path, "rb") as file:
            assert file.read() == contents[name]
        assert fs.cat_file(path, start=0, end=1) == contents[name][:1]
        uris.remove(uris.join(root, name))
        assert not uris.exists(uris.join(root, name)), name
        assert uris.exists(uris.join(root, "plain")), name
        uris.remove(root, recursive=True)
        assert uris.list_names(root) == [], name
    assert uris.list_names(store) == ["1", "stars"]


def test_relative_paths_are_names_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ODD_NAMES + NOT_UTF8:
        path = name if name != "zip::x" else "./zip::x"
        uris.put_bytes(uris.join(path, "x"), b"1")
        assert (tmp_path / name / "x").read_bytes() == b"1"
        assert uris.absolute(path) == str(tmp_path / name)
        assert uris.read_bytes(f"file://{tmp_path}/{name}/x") == b"1"
    monkeypatch.setenv("HOME", str(tmp_path / "[1]"))
    assert uris.read_bytes("~/x") == b"1"
    assert uris.absolute("~no one/x") == str(tmp_path / "~no one" / "x")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("zip://a.jpg::s3://bucket/b.zip", "chain"),
        ("simplecache::s3://bucket/a.jpg", "chain"),
        ("/data/a\0b.jpg", "NUL"),
        ("s3://", "s3://NAME"),
        ("s3://KEY:SECRET@bucket/a.jpg", r"\*\*\*@bucket"),
        ("s3://bucket/\udcff.jpg", "UTF-8"),
        ("/data/half a pair \ud83d", "rename"),
    ],
)
def test_what_no_store_can_hold_is_refused_in_valid_text(uri, reason):
    with pytest.raises(InvalidArgumentError, match=reason) as caught:
        uris.open_fs(uri)
    assert shown(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize(
    ("uri", "name", "expected"),
    [
        ("/data/what?/l.txt", "p.png", "/data/what?/p.png"),
        ("/data/l#1/t.parquet", "../p.png", "/data/p.png"),
        ("s3://b/a?b/l.txt", "p//q.png", "s3://b/a?b/p//q.png"),
        ("https://h/a/l.txt?sig=/x", "p.png", "https://h/a/p.png"),
        ("/data/l.txt", "s3://b/p.png", "s3://b/p.png"),
        ("/data/l.txt", "/p.png", "/p.png"),
        ("/data/l.txt", "a::b/p#1.png", "/data/a::b/p#1.png"),
    ],
)
def test_beside(uri, name, expected):
    assert uris.beside(uri, name) == expected


def test_suffix():
    assert uris.suffix("/data/what?/x.PARQUET") == ".parquet"
    assert uris.suffix("https://h/x.tar?sig=a.b") == ".tar"
    assert uris.suffix("/data.d/x") == ""


def test_read_many_tells_what_is_missing_from_what_is_away(tmp_path, monkeypatch):
    uris.put_bytes(str(tmp_path / "a"), b"1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        uris.read_many([str(tmp_path / "a"), str(tmp_path / "folder")])
    assert uris.read_many([]) == {}


def test_json_is_valid_text():
    data = uris.to_json({"input": "caf\udce9", "list": ["\udcff", 1], "emoji": "\U0001f469"})
    assert json.loads(data) == {"input": r"caf\xe9", "list": [r"\xff", 1], "emoji": "\U0001f469"}
    assert b"udc" not in data.replace(b"\\udc69", b"")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://host/photos/ann.png?X-Amz-Signature=a/b", "ann.png"),
        ("/photos/what?.png", "what?.png"),
        ("s3://bucket/photos/", "photos"),
        ("ann.png", "ann.png"),
    ],
)
def test_file_name(uri, name):
    assert uris.file_name(uri) == name


@pytest.mark.parametrize("root", ["", "memory://put-file"])
def test_a_file_is_put_whole_or_not_at_all(root, tmp_path):
    (source := tmp_path / "source").write_bytes(b"first")
    uri = uris.join(root or str(tmp_path), "folder/copy")
    uris.put_file(uri, str(source))
    source.write_bytes(b"second")
    uris.put_file(uri, str(source))
    assert uris.read_bytes(uri) == b"second"
    assert uris.list_names(uris.join(root or str(tmp_path), "folder")) == ["copy"]
    with pytest.raises(OutputError):
        uris.put_file(uris.join(uri, "below-a-file") if not root else "/proc/no/copy", str(source))
