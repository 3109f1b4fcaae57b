"""Tables: every row is an input, whatever its cells hold, and whatever the file has suffered."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.ingest import list_sources, read_source


def write(path, *, group=64, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return str(path)


def faults(uri) -> list[str]:
    """Return the type of each input's fault, "" for good ones."""
    return [source.fault.type if source.fault else "" for source in list_sources(uri)]


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


POINTS = [float(number) for number in range(10)]


@pytest.mark.parametrize(
    ("column", "cells", "bad"),
    [
        ("landmarks", [POINTS, [float("nan")] * 10, POINTS], [1]),
        ("landmarks", [POINTS, [], POINTS[:9]], [1, 2]),
        ("landmarks", [POINTS * 14, POINTS, None], [0]),
        ("landmarks", [[[1.0, 2.0], [3.0]], [[1.0, 2.0]] * 5, [[]]], [0, 2]),
        ("landmarks", [[POINTS[:5], POINTS[5:]], None, None], [0]),  # columns instead of points
        ("landmarks", ["1 2 3 4 5 6 7 8 9 10", None, ""], [0, 2]),
        ("landmarks", [["1"] * 10, None, ["a"] * 10], [0, 2]),
        ("landmarks", [{"left_eye": [1.0, 2.0]}, {"left_eye": None}, None], [0, 1]),
        ("landmarks", [[True] * 10, None, None], [0]),
        ("crop", [[1.0, 2.0, 3.0], [1.0, 2.0, float("inf")], [1.0]], [1, 2]),
        ("camera", [[1.0, 2.0], [float(i) for i in range(25)], None], [0]),
        ("camera", [b"camera", None, None], [0]),
    ],
)
@pytest.mark.parametrize("by_uri", [False, True])
def test_a_bad_cell_is_the_fault_of_its_row_alone(tmp_path, column, cells, bad, by_uri):
    photos = {"uri": list("abc")} if by_uri else {"image": [b"a", b"b", b"c"]}
    uri = write(tmp_path / "t.parquet", **photos, **{column: cells})
    assert [index for index, fault in enumerate(faults(uri)) if fault] == bad
    for index, source in enumerate(list_sources(uri)):
        if index in bad:
            assert source.fault.type == "bad_columns"
            assert f"{column} of row {index}" in source.fault.message
    assert len({source.version for source in list_sources(uri)} - {""}) in (3, len(bad))


@pytest.mark.parametrize("cells", [["a.jpg", None, ""], [1, 2, 3], [b"a.jpg", b"b.jpg", b""]])
def test_a_row_without_a_uri_is_a_fault(tmp_path, cells):
    good = ["", "bad_columns", "bad_columns"] if cells[0] == "a.jpg" else ["bad_columns"] * 3
    assert faults(write(tmp_path / "t.parquet", uri=cells)) == good


def test_a_table_without_pictures_is_read_by_its_rows(tmp_path):
    sources = list(list_sources(write(tmp_path / "t.parquet", image=[b"a", None, b""])))
    assert [read_source(source) for source in sources] == [b"a", b"", b""]


def broken_tables(folder):
    good = write(folder / "good.parquet", image=[b"a", b"b"])
    data = (folder / "good.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(data[: len(data) // 2])
    (folder / "empty.parquet").write_bytes(b"")
    (folder / "text.parquet").write_bytes(b"no table at all")
    write(folder / "names.parquet", name=["a"], age=[3])
    return good


def test_a_broken_table_is_one_input_among_others(tmp_path):
    good = broken_tables(tmp_path)
    for name in ("cut", "empty", "text", "names"):
        uri = str(tmp_path / f"{name}.parquet")
        *first, broken, _, last = list_sources([good, uri, good])
        assert [source.uri for source in first] == [f"{good}#0", f"{good}#1"]
        assert (broken.uri, broken.fault.type) == (uri, "unlisted")
        assert name in broken.fault.message
        assert (last.uri, last.fault) == (f"{good}#1", None)
        assert faults(f"{tmp_path}/{name[0]}*.parquet") == ["unlisted"]


def test_a_broken_table_alone_is_an_error_of_the_call(tmp_path):
    broken_tables(tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"column uri.*got columns name, age"):
        list_sources(str(tmp_path / "names.parquet"))
    for name in ("cut", "empty", "text"):
        with pytest.raises(DecodeError, match=rf"{name}.parquet is damaged"):
            list_sources(str(tmp_path / f"{name}.parquet"))
    with pytest.raises(NoInputError, match="there is no such file"):
        list_sources(str(tmp_path / "gone.parquet"))


def test_a_damaged_row_group_costs_that_group(tmp_path):
    path = tmp_path / "t.parquet"
    names = [random.Random(row).randbytes(32).hex() for row in range(12)]
    write(path, uri=names, group=4)
    about = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = about.dictionary_page_offset or about.data_page_offset
    data[start : start + about.total_compressed_size] = bytes(about.total_compressed_size)
    path.write_bytes(data)
    sources = list(list_sources(str(path)))
    assert [source.uri for source in sources if source.fault is None] == [
        str(tmp_path / name) for name in names[:4] + names[8:]
    ]
    (broken,) = (source for source in sources if source.fault)
    assert broken.fault.type == "unlisted"
    assert "row group 1" in broken.fault.message


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


@pytest.mark.parametrize("nested", [pa.list_(pa.binary()), pa.map_(pa.string(), pa.binary())])
def test_a_column_that_only_holds_bytes_somewhere_is_none_of_pictures(tmp_path, nested):
    cell = [b"one"] if isinstance(nested, pa.ListType) else [("a", b"one")]
    uri = write(tmp_path / "t.parquet", image=pa.array([cell], nested), jpg=[b"two"])
    (source,) = list_sources(uri)
    assert read_source(source) == b"two"
