"""Masks that come with photos: which is whose, whatever kind of source they come in."""

import io
import os
import tarfile

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itportrait.ingest import list_sources, read_source
from itportrait.photos.files import read_mask_bytes
from itportrait.stages.shards import source_key

FILES = {
    "a.jpg": b"photo a",
    "a.mask.png": b"mask a",
    "b.c.png": b"photo b",
    "b.c.MASK.png": b"mask b",
    "d.jpg": b"photo d",
    "d.jpg.mask.png": b"mask d",
    "d.mask.png": b"mask of d.tif",
    "d.tif": b"another d",
    "e.png": b"photo e",
    "lone.mask.png": b"a photo that is named so",
}
PAIRS = {
    b"photo a": b"mask a",
    b"photo b": b"mask b",
    b"photo d": b"mask d",
    b"another d": b"mask of d.tif",
    b"photo e": None,
    b"a photo that is named so": None,
}


def put(root, files=FILES):
    fs, path = fsspec.core.url_to_fs(str(root))
    for name, data in files.items():
        fs.makedirs(path, exist_ok=True)
        fs.pipe(f"{path}/{name}", data)
    return str(root)


def pairs(listing):
    return {read_source(source): read_mask_bytes(source) for source in listing}


def write_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return str(path)


def write_table(path, **columns):
    pq.write_table(pa.table(columns), path)
    return str(path)


@pytest.mark.parametrize("store", ["disk", "memory"])
@pytest.mark.parametrize("glob", ["", "/*", "/**/*.*"])
def test_masks_lie_beside_the_photos_of_folders_and_globs(tmp_path, store, glob):
    root = put(tmp_path / "photos" if store == "disk" else "memory://masks/photos")
    listing = list_sources(root + glob)
    assert pairs(listing) == PAIRS
    assert listing.skipped.counts == {"mask": 4}
    assert "a.mask.png" in str(listing.skipped)


def test_a_glob_of_photos_alone_finds_their_masks(tmp_path):
    assert pairs(list_sources(f"{put(tmp_path)}/*.jpg")) == {
        b"photo a": b"mask a",
        b"photo d": b"mask d",
    }


def test_masks_lie_beside_photos_that_a_name_a_list_or_a_table_names(tmp_path):
    root = put(tmp_path)
    (source,) = list_sources(f"{root}/a.jpg")
    assert read_mask_bytes(source) == b"mask a"
    (itself,) = list_sources(f"{root}/a.mask.png")  # a file that is named itself is a photo
    assert read_mask_bytes(itself) is None
    (tmp_path / "list.txt").write_text("a.jpg\ne.png\n")
    table = write_table(tmp_path / "t.parquet", uri=["a.jpg", "e.png"])
    for uri in (f"{root}/list.txt", table):
        assert pairs(list_sources(uri)) == {b"photo a": b"mask a", b"photo e": None}


def test_the_ending_is_a_setting(tmp_path):
    files = {"a.jpg": b"a", "a_m.tif": b"mask", "b.jpg": b"b", "b.mask.png": b"photo"}
    root = put(tmp_path, files)
    found = pairs(list_sources(root, mask_suffix="_m.tif"))
    assert found == {b"a": b"mask", b"b": None, b"photo": None}
    assert pairs(list_sources(root, mask_suffix="")) == dict.fromkeys(files.values())
    tar = write_tar(tmp_path / "t.tar", files)
    assert pairs(list_sources(tar, mask_suffix="_m.tif")) == found


@pytest.mark.parametrize("kind", ["bytes", "struct", "uri"])
def test_a_table_has_a_column_of_masks(tmp_path, kind):
    put(tmp_path)
    masks = {
        "bytes": [b"m1", None, b"m1"],
        "struct": [{"bytes": b"m1", "path": None}, None, {"bytes": b"m1", "path": "x"}],
        "uri": ["a.mask.png", None, f"{tmp_path}/a.mask.png"],
    }[kind]
    table = write_table(tmp_path / "t.parquet", image=[b"1", b"2", b"3"], mask=masks)
    sources = list(list_sources(table))
    value = b"mask a" if kind == "uri" else b"m1"
    assert pairs(sources) == {b"1": value, b"2": None, b"3": value}
    named = write_table(tmp_path / "u.parquet", uri=["e.png", "e.png"], mask=masks[:2])
    assert [read_mask_bytes(source) for source in list_sources(named)] == [value, None]


def test_cells_that_hold_no_mask_are_rows_that_say_so(tmp_path):
    for values, actual in (([True, None], "a bool"), (["", "x.png"], "''"), ([1.5, 2], "a float")):
        table = write_table(tmp_path / "t.parquet", image=[b"1", b"2"], mask=values)
        first, second = list_sources(table)
        assert first.fault.type == "bad_columns"
        assert f"mask of row 0 of {table} must be an encoded picture" in first.fault.message
        assert actual in first.fault.message
        assert (second.fault is None) == (values[1] in (None, "x.png"))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    elsewhere = pa.array([{"bytes": None, "path": "x"}], kind)
    nowhere = write_table(tmp_path / "t.parquet", image=[b"1"], mask=elsewhere)
    (source,) = list_sources(nowhere)
    assert read_mask_bytes(source) == b""  # which the align stage calls empty


def test_masks_belong_to_the_samples_of_archives(tmp_path):
    files = {**FILES, "f.left.jpg": b"left", "f.right.jpg": b"right", "f.json": b"{}"}
    files |= {"f.mask.png": b"mask f", "f.right.mask.png": b"mask right"}
    listing = list_sources(write_tar(tmp_path / "t.tar", files))
    found = pairs(listing)
    assert found == {**PAIRS, b"left": b"mask f", b"right": b"mask right"}
    assert listing.skipped.counts["mask"] == 6


def test_masks_of_archives_that_cannot_be_read_fail_their_photos(tmp_path):
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name, kind in (("a.jpg", tarfile.REGTYPE), ("a.mask.png", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "b.png" if kind == tarfile.SYMTYPE else ""
            archive.addfile(member)
    (source,) = list_sources(f"{tmp_path}/t.tar")
    assert "a.mask.png is stored as no plain file" in source.fault.message
    whole = write_tar(tmp_path / "w.tar", {"a.jpg": b"1" * 600, "a.mask.png": b"2" * 4000})
    with open(whole, "r+b") as file:
        file.truncate(512 + 1024 + 512 + 700)
    first, *_ = list_sources(whole)
    assert "a.mask.png is truncated" in first.fault.message


def test_keys_follow_from_the_mask_and_those_of_plain_photos_stay(tmp_path):
    put(tmp_path, {"a.jpg": b"1"})
    (plain,) = list_sources(str(tmp_path))
    put(tmp_path, {"a.mask.png": b"2"})
    (masked,) = list_sources(str(tmp_path))
    put(tmp_path, {"a.mask.png": b"other"})
    (other,) = list_sources(str(tmp_path))
    os.remove(tmp_path / "a.mask.png")
    (again,) = list_sources(str(tmp_path))
    assert len({source_key(source) for source in (plain, masked, other)}) == 3
    assert source_key(again) == source_key(plain)
