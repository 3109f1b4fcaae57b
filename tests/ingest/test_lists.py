"""Lists: every line that is not a comment is an input, whatever it holds."""

import os

import fsspec
import pytest

from itportrait.ingest import list_sources, read_source


def lines_of(path) -> list[str]:
    return [source.uri for source in list_sources(str(path))]


def test_list_file(tmp_path):
    listing = tmp_path / "list.txt"
    listing.write_text(
        "\ufeff# photos\n\nb.jpg\n  sub/c.jpeg  \ns3://bucket/k#1.jpg\n/abs/x.jpg\n", "utf-8"
    )
    assert lines_of(listing) == [
        str(tmp_path / "b.jpg"),
        str(tmp_path / "sub/c.jpeg"),
        "s3://bucket/k#1.jpg",
        "/abs/x.jpg",
    ]


def test_a_line_that_is_the_name_of_a_file_is_that_file(tmp_path):
    for name in ("#1.jpg", " spaced.jpg ", "# both.jpg\t", "plain.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "#folder").mkdir()
    listing = tmp_path / "list.txt"
    listing.write_text(
        "# a comment\n#1.jpg\n  #1.jpg\n spaced.jpg \n# both.jpg\t\n  plain.jpg\n#folder\n   \n#\n"
    )
    read = [read_source(source).decode() for source in list_sources(str(listing))]
    assert read == ["#1.jpg", "#1.jpg", " spaced.jpg ", "# both.jpg\t", "plain.jpg"]


def test_a_comment_beside_a_file_in_a_store():
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/listed/#1.jpg", b"1")
    fs.pipe_file("/listed/list.txt", b"# a comment\n#1.jpg\n#2.jpg\n")
    (source,) = list_sources("memory:///listed/list.txt")
    assert read_source(source) == b"1"


def test_whatever_a_line_holds_it_is_an_input(tmp_path):
    odd = ["a\0b.jpg", "s3://", "no uri at all", "nowhere://a/b", "a::b", "zip://a::b", "x" * 5000]
    (tmp_path / "list.txt").write_text("\n".join(odd))
    sources = list(list_sources(str(tmp_path / "list.txt")))
    assert len(sources) == len(odd)
    assert all(source.uri.endswith(name) for source, name in zip(sources, odd))


def test_a_name_that_is_not_utf_8(tmp_path):
    (tmp_path / "jos\udce9.png").write_bytes(b"latin")
    (tmp_path / "list.txt").write_bytes(b"jos\xe9.png\n")
    (source,) = list_sources(str(tmp_path / "list.txt"))
    assert read_source(source) == b"latin"
    assert os.fsencode(source.uri).endswith(b"jos\xe9.png")


def test_a_line_without_end_is_one_fault(tmp_path):
    (tmp_path / "list.txt").write_bytes(
        b"a.jpg\n" + b"x" * 1_000_000 + b"\nb.jpg\n" + b"y" * 70_000
    )
    first, long, last, cut = list_sources(str(tmp_path / "list.txt"))
    assert (first.fault, last.fault) == (None, None)
    assert long.fault.type == "bad_columns"
    assert "line 2 of" in long.fault.message
    assert "line 4 of" in cut.fault.message
    assert len(long.uri) < 1000


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_list_as_windows_writes_it(tmp_path, encoding):
    mark = "" if encoding == "utf-16" else "\ufeff"
    text = f"{mark}b.jpg\r\n# comment\r\nsub/\u00e9.jpg\r\n"
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    expected = [str(tmp_path / "b.jpg"), str(tmp_path / "sub/\u00e9.jpg")]
    assert lines_of(tmp_path / "list.txt") == expected


def test_a_name_may_begin_with_the_bytes_of_the_mark(tmp_path):
    name = os.fsdecode(b"\xff\xfe.png")
    (tmp_path / name).write_bytes(b"photo")
    (tmp_path / "list.txt").write_bytes(os.fsencode(name) + b"\na\0b\n")
    first, second = list_sources(f"{tmp_path}/list.txt")
    assert first.uri == f"{tmp_path}/{name}"
    assert second.fault is not None or "\0" in second.uri
