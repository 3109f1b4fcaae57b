"""Listing: what each kind of URI holds, in which order, and what is said when it holds nothing."""

import functools
import http.server
import io
import json
import os
import tarfile
import threading
from itertools import islice

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.ingest import list_sources, read_source
from itportrait.ingest.sources import expand_braces


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


def test_list_file(folder):
    listing = folder / "list.txt"
    listing.write_text(
        "\ufeff# photos\n\nb.jpg\n  sub/c.jpeg  \ns3://bucket/k#1.jpg\n/abs/x.jpg\n", "utf-8"
    )
    assert [source.uri for source in list_sources(str(listing))] == [
        str(folder / "b.jpg"),
        str(folder / "sub/c.jpeg"),
        "s3://bucket/k#1.jpg",
        "/abs/x.jpg",
    ]


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


def test_table_of_uris(tmp_path):
    table = {
        "uri": ["a.jpg", "s3://b/c.jpg"],
        "landmarks": [list(range(10)), None],
        "camera": [None, [float(i) for i in range(25)]],
        "crop": [[1.0, 2.0, 3.0], None],
        "other": ["x", "y"],
    }
    pq.write_table(pa.table(table), tmp_path / "t.parquet", row_group_size=1)
    first, second = list_sources(str(tmp_path / "t.parquet"))
    assert first.uri == str(tmp_path / "a.jpg")
    assert second.uri == "s3://b/c.jpg"
    np.testing.assert_array_equal(first.landmarks, np.arange(10).reshape(5, 2))
    np.testing.assert_array_equal(first.crop, [1, 2, 3])
    np.testing.assert_array_equal(second.camera, np.arange(25))
    assert first.camera is None
    assert second.landmarks is None


@pytest.mark.parametrize("struct", [False, True])
def test_table_of_bytes(tmp_path, struct):
    photos = [f"photo {i}".encode() for i in range(5)]
    cells = [{"bytes": photo, "path": "p"} for photo in photos] if struct else photos
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({"image": cells, "uri": [f"n{i}" for i in range(5)]}), path, row_group_size=2
    )
    sources = list(list_sources(str(path)))
    assert [source.uri for source in sources] == [f"{path}#n{i}" for i in range(5)]
    assert all(source.data is None for source in sources), "listing must not hold the pictures"
    assert [read_source(source) for source in sources] == photos
    assert len({source.version for source in sources}) == 5


def test_table_without_photos(tmp_path):
    pq.write_table(pa.table({"name": ["a"], "age": [3]}), tmp_path / "t.parquet")
    with pytest.raises(InvalidArgumentError, match=r"column uri.*got columns name, age"):
        list_sources(str(tmp_path / "t.parquet"))


def test_table_with_a_misshapen_column(tmp_path):
    pq.write_table(pa.table({"uri": ["a"], "camera": [[1.0, 2.0]]}), tmp_path / "t.parquet")
    with pytest.raises(InvalidArgumentError, match=r"column camera.*row 0.*25 finite numbers"):
        list_sources(str(tmp_path / "t.parquet"))


def write_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_archive(tmp_path):
    extra = json.dumps({"landmarks": list(range(10)), "age": 3}).encode()
    files = [
        ("p/001.jpg", b"first"),
        ("p/001.json", extra),
        ("p/001.txt", b"a caption"),
        ("p/002.seg.png", b"second"),
        ("p/002.json", b"not json"),
        ("p/003.json", b"{}"),
    ]
    path = tmp_path / "shard-000.tar"
    write_tar(path, files)
    sources = list(list_sources(str(path)))
    assert [source.uri for source in sources] == [f"{path}#p/001.jpg", f"{path}#p/002.seg.png"]
    assert [read_source(source) for source in sources] == [b"first", b"second"]
    np.testing.assert_array_equal(sources[0].landmarks, np.arange(10).reshape(5, 2))
    assert sources[1].landmarks is None


def test_shards_of_archives(tmp_path):
    for index in range(3):
        write_tar(tmp_path / f"s-{index:03d}.tar", [(f"{index}.png", b"%d" % index)])
    braces = list(list_sources(f"{tmp_path}/s-{{000..002}}.tar"))
    assert [read_source(source) for source in braces] == [b"0", b"1", b"2"]
    assert [source.uri for source in list_sources(f"{tmp_path}/*.tar")] == [s.uri for s in braces]


def test_archive_cut_short(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(NoInputError, match="not a whole tar archive"):
        list_sources(str(path))


def test_compressed_archive_is_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(InvalidArgumentError, match="uncompressed"):
        list_sources(str(tmp_path / "a.tar.gz"))


def test_braces():
    assert list(expand_braces("a-{08..10}.{tar,bin}")) == [
        "a-08.tar", "a-08.bin", "a-09.tar", "a-09.bin", "a-10.tar", "a-10.bin",
    ]  # fmt: skip
    assert list(expand_braces("plain")) == ["plain"]


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


def test_a_tables_row_group_is_read_once_for_all_of_its_rows(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    photos_ = [f"photo {i}".encode() for i in range(6)]
    pq.write_table(pa.table({"image": photos_}), path, row_group_size=3)
    sources = list(list_sources(str(path)))
    read, groups = pq.ParquetFile.read_row_group, []

    def counted(table, group, **options):
        groups.append(group)
        return read(table, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    assert [read_source(source) for source in sources] == photos_
    assert groups == [0, 1]
