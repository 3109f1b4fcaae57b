"""Listing: what each kind of URI holds, in which order, and what is said when it holds nothing."""

import functools
import http.server
import os
import threading
from itertools import islice

import fsspec
import pytest

from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.ingest import list_sources, read_source
from itportrait.ingest.braces import expand_braces


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.jpg",
        "a.PNG",
        "notes.md",
        ".hidden.jpg",
        "sub/c.jpeg",
        "sub/deep/d.webp",
        ".git/e.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def names(sources, root):
    return [os.path.relpath(source.uri, root) for source in sources]


def test_folder_is_searched_through_in_order(folder):
    expected = ["a.PNG", "b.jpg", "sub/c.jpeg", "sub/deep/d.webp"]
    assert names(list_sources(str(folder)), folder) == expected
    assert names(list_sources(f"{folder}/"), folder) == expected
    assert names(list_sources(f"file://{folder}"), folder) == expected


def test_other_patterns(folder):
    assert names(list_sources(str(folder), patterns=["*.md"]), folder) == ["notes.md"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.jpg", ["b.jpg"]),
        ("**/*.jpeg", ["sub/c.jpeg"]),
        ("**/*.[jw]*p*g", ["b.jpg", "sub/c.jpeg"]),
        ("sub/*/*", ["sub/deep/d.webp"]),
        ("?.PNG", ["a.PNG"]),
        ("{a.PNG,b.jpg}", ["a.PNG", "b.jpg"]),
    ],
)
def test_globs(folder, glob, expected):
    assert names(list_sources(f"{folder}/{glob}"), folder) == expected


def test_one_file_counts_whatever_its_name(folder):
    (source,) = list_sources(str(folder / "notes.md"))
    assert read_source(source) == b"notes.md"


def test_name_with_glob_signs_is_a_name(tmp_path):
    path = tmp_path / "photo [1] {a,b}?.jpg"
    path.write_bytes(b"x")
    (source,) = list_sources(str(path))
    assert source.uri == str(path)


def test_several_uris(folder):
    uris = [str(folder / "b.jpg"), str(folder / "sub")]
    assert names(list_sources(uris), folder) == ["b.jpg", "sub/c.jpeg", "sub/deep/d.webp"]


def test_version_changes_with_the_file(folder):
    before = {source.uri: source.version for source in list_sources(str(folder))}
    assert all(before.values())
    (folder / "b.jpg").write_bytes(b"something else")
    after = {source.uri: source.version for source in list_sources(str(folder))}
    changed = [uri for uri in before if before[uri] != after[uri]]
    assert changed == [str(folder / "b.jpg")]
    (alone,) = list_sources(str(folder / "b.jpg"))
    assert alone.version == after[str(folder / "b.jpg")]


def test_link_to_nowhere_is_an_input(folder):
    (folder / "z.jpg").symlink_to(folder / "gone.jpg")
    sources = list(list_sources(str(folder / "z.jpg"))) + list(list_sources(f"{folder}/*.jpg"))
    assert names(sources, folder) == ["z.jpg", "b.jpg", "z.jpg"]


def test_memory_store():
    fs = fsspec.filesystem("memory")
    for name in (
        "/store/b.jpg",
        "/store/a.jpg",
        "/store/sub/c.png",
        "/store/.x/d.jpg",
        "/store/n.txt",
    ):
        fs.pipe_file(name, name.encode())
    found = list(list_sources("memory://store"))
    assert [source.uri.split("store/")[1] for source in found] == ["a.jpg", "b.jpg", "sub/c.png"]
    assert read_source(found[2]) == b"/store/sub/c.png"
    (one,) = list_sources("memory://store/**/*.png")
    assert read_source(one) == b"/store/sub/c.png"


@pytest.fixture
def web(tmp_path):
    """The address of a server of `tmp_path`, with two pictures and a list of them."""
    (tmp_path / "a b").mkdir()
    (tmp_path / "a.png").write_bytes(b"A")
    (tmp_path / "a b" / "c.png").write_bytes(b"C")
    (tmp_path / "photos.txt").write_text("a.png\na%20b/c.png\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("place", "expected"),
    [("a.png", b"A"), ("photos.txt", b"AC"), ("", b"AC"), ("*.png", b"A")],
)
def test_pictures_lists_and_folders_over_http(web, place, expected):
    found = list(list_sources(f"{web}/{place}"))
    assert b"".join(read_source(source) for source in found) == expected
    with pytest.raises(NoInputError):
        list(list_sources(f"{web}/nowhere.png"))


def test_braces():
    assert list(expand_braces("a-{08..10}.{tar,bin}")) == [
        "a-08.tar", "a-08.bin", "a-09.tar", "a-09.bin", "a-10.tar", "a-10.bin",
    ]  # fmt: skip
    assert list(expand_braces("plain")) == ["plain"]
    assert list(expand_braces("{a,s-{0..1}.tar,{b,c}}/d")) == [
        "a/d",
        "s-0.tar/d",
        "s-1.tar/d",
        "b/d",
        "c/d",
    ]
    assert list(expand_braces("{a}{b{c,d}}{e,f")) == ["{a}{bc}{e,f", "{a}{bd}{e,f"]
    assert list(expand_braces("}{,x}{3..1}")) == []


def test_nothing_found_names_uri_and_patterns(tmp_path):
    with pytest.raises(NoInputError) as error:
        list_sources(str(tmp_path))
    assert str(tmp_path) in str(error.value)
    assert "*.jpg" in str(error.value)
    for uri in (str(tmp_path / "none"), f"{tmp_path}/*.gif", f"{tmp_path}/gone/*.gif", []):
        with pytest.raises(NoInputError):
            list_sources(uri)


def test_credentials_are_never_shown():
    with pytest.raises((NoInputError, OSError)) as error:
        list_sources("http://user:password@127.0.0.1:9/a.jpg?X-Amz-Signature=abcdef&token=ghi")
    message = str(error.value)
    assert "127.0.0.1" in message
    assert not any(secret in message for secret in ("user", "password", "abcdef", "ghi"))


def test_unknown_protocol():
    with pytest.raises(InvalidArgumentError, match="nowhere://"):
        list_sources("nowhere://a/b")


def test_listing_streams(tmp_path):
    """The first inputs come before the later folders are looked at."""
    for index in range(3):
        (tmp_path / f"f{index}").mkdir()
        (tmp_path / f"f{index}" / "a.jpg").write_bytes(b"x")
    stream = list_sources(str(tmp_path))
    first = list(islice(stream, 1))
    (tmp_path / "f2" / "b.jpg").write_bytes(b"late")
    assert len(first) + len(list(stream)) == 4


@pytest.mark.parametrize(
    "braces", ["{1..99999999999}", "{0..9999}{0..9999}", "{1.." + "9" * 5000 + "}"]
)
def test_braces_without_end_are_refused(braces):
    with pytest.raises(InvalidArgumentError, match="at most 1000000 names"):
        for _ in expand_braces(f"/nowhere/{braces}.tar"):
            pass
