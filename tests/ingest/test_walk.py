"""Folders: what lies in them is an input or a count, and none of it ends or stops the listing."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest

from itportrait.errors import DecodeError, InputFaultError, NoInputError
from itportrait.ingest import list_sources, read_photo, read_source
from itportrait.ingest.skipped import Skipped
from itportrait.ingest.walk import walk
from itportrait.records import Source

NOBODY = 65534


def fill(folder, *names) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def listed(uri, **options) -> dict[str, str]:
    """Return the type of the fault by name, "" where there is none."""
    root = uri if isinstance(uri, str) else str(uri)
    return {
        source.uri.removeprefix(root).lstrip("/"): source.fault.type if source.fault else ""
        for source in list_sources(root, **options)
    }


@contextlib.contextmanager
def as_nobody():
    """Give up the rights of the administrator, to whom every folder is open."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.fixture
def open_folder():
    """A folder that every user may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="itportrait-walk-"))
    folder.chmod(0o777)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o777)
    shutil.rmtree(folder)


def test_what_is_passed_over_is_counted_and_named(tmp_path):
    fill(
        tmp_path,
        *("a.jpg", "b.HEIC", "raw.cr2", "a.json", "a.txt", "film.mp4", "noname", ".DS_Store"),
        *("Thumbs.db", "sub/desktop.ini", ".git/x.jpg", "__MACOSX/._a.jpg", "t.parquet", "s.tar"),
        *(f"captions/{number}.txt" for number in range(20)),
    )
    sources = list_sources(str(tmp_path))
    assert [Path(source.uri).name for source in sources] == ["a.jpg", "b.HEIC", "raw.cr2"]
    found = sources.skipped.to_json()
    counts = {reason: about["count"] for reason, about in found.items()}
    assert counts == {"sidecar": 22, "system": 3, "hidden": 2, "container": 2, "no_picture": 2}
    assert all(len(about["names"]) <= 5 for about in found.values())
    text = str(sources.skipped)
    assert text.startswith("31 skipped: 22 sidecar (")
    assert "(Thumbs.db" in text or ", Thumbs.db" in text
    assert ", ...)" in text


def test_pictures_that_the_patterns_leave_out_are_counted(tmp_path):
    fill(tmp_path, "a.jpg", "b.png", "c.png")
    sources = list_sources(str(tmp_path), patterns=["*.jpg"])
    assert len(list(sources)) == 1
    assert sources.skipped.to_json()["pattern"]["count"] == 2


def test_a_folder_without_pictures_says_what_it_saw(tmp_path):
    fill(tmp_path, "a.mp4", "b.mp4", ".hidden.jpg")
    with pytest.raises(NoInputError, match=r"3 skipped: .*2 no_picture \(a.mp4, b.mp4\)") as error:
        list_sources(str(tmp_path))
    assert len(str(error.value)) < 700


def test_one_empty_folder_of_several_is_counted(tmp_path):
    fill(tmp_path, "full/a.jpg")
    (tmp_path / "empty").mkdir()
    sources = list_sources([f"{tmp_path}/empty", f"{tmp_path}/full", f"{tmp_path}/full/*.gif"])
    assert len(list(sources)) == 1
    assert sources.skipped.to_json()["empty"]["count"] == 2


def test_loops_of_links_are_followed_once(tmp_path):
    fill(tmp_path, "a.jpg", "sub/b.jpg", "other/c.jpg")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "sub" / "here").symlink_to(".")
    (tmp_path / "sub" / "aside").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "sub")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "itself.jpg").symlink_to(tmp_path / "itself.jpg")
    sources = list_sources(str(tmp_path))
    assert [os.path.relpath(source.uri, tmp_path) for source in sources] == [
        "a.jpg",
        "itself.jpg",
        "other/c.jpg",
        "other/back/b.jpg",
        "sub/b.jpg",
        "sub/aside/c.jpg",
    ]
    assert sources.skipped.to_json()["loop"]["count"] == 6
    with pytest.raises(OSError, match=r"itself\.jpg"):
        read_source(next(s for s in list_sources(f"{tmp_path}/*.jpg") if "itself" in s.uri))


def test_what_is_no_file_is_a_fault_and_never_waited_for(tmp_path):
    fill(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    for name in ("list.txt", "table.parquet", "archive.tar"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    assert listed(tmp_path) == {
        "a.jpg": "",
        "device.jpg": "storage",
        "nowhere.jpg": "",
        "pipe.jpg": "storage",
        "socket.jpg": "storage",
    }
    assert listed(tmp_path, patterns=["*"]) == {
        "a.jpg": "",
        "archive.tar": "unlisted",
        "device.jpg": "storage",
        "list.txt": "unlisted",
        "nowhere.jpg": "",
        "pipe": "storage",
        "pipe.jpg": "storage",
        "socket.jpg": "storage",
        "table.parquet": "unlisted",
    }
    (source,) = list_sources(f"{tmp_path}/pipe.jpg")
    with pytest.raises(InputFaultError, match=r"pipe\.jpg: it is a named pipe, not a file"):
        read_photo(source)
    for name in ("list.txt", "table.parquet", "archive.tar"):
        with pytest.raises(NoInputError, match="named pipe"):
            list_sources(f"{tmp_path}/{name}")


def test_a_folder_that_may_not_be_read_is_one_fault(open_folder):
    fill(open_folder, "a.jpg", "closed/b.jpg", "open/c.jpg", "open/shut/d.jpg", "unsearched/e.jpg")
    (open_folder / "closed").chmod(0)
    (open_folder / "open" / "shut").chmod(0)
    (open_folder / "unsearched").chmod(0o444)  # names can be listed, files not opened
    with as_nobody():
        assert listed(open_folder) == {
            "a.jpg": "",
            "closed/": "unlisted",
            "open/c.jpg": "",
            "open/shut/": "unlisted",
            "unsearched/e.jpg": "",
        }
        found = [
            os.path.relpath(s.uri, open_folder) for s in list_sources(f"{open_folder}/*/*.jpg")
        ]
        assert found == ["closed", "open/c.jpg", "unsearched/e.jpg"]  # it asks for nothing deeper
        with pytest.raises(PermissionError):
            read_source(Source(uri=f"{open_folder}/unsearched/e.jpg"))
        with pytest.raises(NoInputError, match="closed: Permission denied"):
            list_sources(f"{open_folder}/closed")


def test_files_that_may_not_be_read_are_faults_of_their_own(open_folder):
    fill(open_folder, "a.jpg", "list.txt", "table.parquet", "archive.tar")
    for name in ("list.txt", "table.parquet", "archive.tar"):
        (open_folder / name).chmod(0)
    with as_nobody():
        assert listed(open_folder, patterns=["*"]) == {
            "a.jpg": "",
            "archive.tar": "unlisted",
            "list.txt": "unlisted",
            "table.parquet": "unlisted",
        }


def test_a_fault_is_gone_once_it_is_mended(open_folder):
    from itportrait.stages.shards import source_key

    fill(open_folder, "a.jpg", "closed/b.jpg")
    (open_folder / "closed").chmod(0)
    with as_nobody():
        before = {source.uri: source_key(source) for source in list_sources(str(open_folder))}
        again = {source.uri: source_key(source) for source in list_sources(str(open_folder))}
    (open_folder / "closed").chmod(0o777)
    after = {source.uri: source_key(source) for source in list_sources(str(open_folder))}
    assert before == again
    assert before.items() & after.items() == {
        (f"{open_folder}/a.jpg", after[f"{open_folder}/a.jpg"])
    }


def test_names_that_are_not_utf_8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/ordn\xe4"
    os.mkdir(folder)
    Path(os.fsdecode(folder + b"/jos\xe9.png")).write_bytes(b"x")
    Path(os.fsdecode(folder + b"/caf\xe9.txt")).write_bytes(b"x")
    sources = list_sources(str(tmp_path))
    (source,) = sources
    assert os.fsencode(source.uri) == folder + b"/jos\xe9.png"
    assert read_source(source) == b"x"
    str(sources.skipped).encode()
    assert sources.skipped.to_json()["sidecar"]["names"][0].endswith("caf\\xe9.txt")


def test_folders_that_lie_deep(open_folder):
    """Neither Python's stack nor the longest path of the system ends the listing."""
    fill(open_folder, "z.jpg")
    here = os.getcwd()
    try:
        os.chdir(open_folder)
        for depth in range(1, 2300):
            os.mkdir("d")
            os.chdir("d")
            if depth in (1000, 2299):
                Path("a.jpg").write_bytes(b"x")
        os.chdir(here)
        sources = list(list_sources(str(open_folder)))
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", open_folder / "d"], check=True)
    assert [source.fault and source.fault.type for source in sources] == [None, None, "unlisted"]
    assert "too long" in sources[-1].fault.message


class FaultyFolders(fsspec.get_filesystem_class("memory")):
    """A store whose folders named `bad` cannot be listed, and whose `round` holds itself."""

    protocol = "faulty"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]

    def ls(self, path, detail=True, **kwargs):
        if path.endswith("/bad"):
            raise ConnectionError("the store hung up")
        if path.endswith("/round"):
            return [{"name": f"{path}/round", "type": "directory", "size": 0}]
        return super().ls(path, detail=detail, **kwargs)


def test_a_store_that_fails_in_one_folder():
    fs = FaultyFolders()
    for name in ("/s/a.png", "/s/bad/b.png", "/s/round/c.png", "/s/z/d.png"):
        fs.pipe_file(name, b"x")
    found = {entry.path: entry.error for entry in walk(fs, "/s", Skipped())}
    assert found["/s/a.png"] is None
    assert found["/s/z/d.png"] is None
    assert isinstance(found.pop("/s/bad/"), ConnectionError)
    (deepest,) = (path for path in found if "round" in path)
    assert "folders lie in each other" in str(found[deepest])
    with pytest.raises(ConnectionError):
        list(walk(fs, "/s/bad", Skipped()))


def test_a_fault_is_raised_where_its_bytes_are_asked_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (source,) = list_sources(str(tmp_path))
    with pytest.raises(InputFaultError):
        read_source(source)
    with pytest.raises(InputFaultError):
        read_photo(source)
    assert not issubclass(InputFaultError, OSError | DecodeError)  # no try can mend it
