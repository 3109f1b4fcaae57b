"""Commits: a shard is what its marker says, whoever else wrote, was killed, or damaged a file."""

from dataclasses import replace

import numpy as np
import pytest

from itportrait.io import uris
from itportrait.io.commits import (
    Commit,
    CommitTakenError,
    DamagedFileError,
    StageTable,
    read_committed,
)
from itportrait.io.parquet import PixelFormat, Row
from itportrait.records import InvertedRecord


def rows(count, value=0):
    return [
        Row(
            f"k{i}",
            InvertedRecord(
                record_id=f"r{i}", psnr=float(value), pixels=np.full((4, 4, 3), value, np.uint8)
            ),
        )
        for i in range(count)
    ]


def write(table, shard=0, *, value=0, fingerprint="f", replaces=None, count=2):
    files = table.write_rows(shard, rows(count, value), pixel_format=PixelFormat())
    commit = Commit(
        stage="invert",
        shard=shard,
        fingerprint=fingerprint,
        recipe="r",
        outputs="o",
        files=files,
        inputs=count,
        ok=count,
    )
    return table.commit(commit, replaces=replaces)


@pytest.fixture(params=["local", "memory"])
def table(request, tmp_path):
    root = str(tmp_path) if request.param == "local" else f"memory://{tmp_path}"
    return StageTable(uris.join(root, "inverted"), InvertedRecord)


def test_roundtrip(table):
    commit = write(table, 3)
    assert table.shards() == [3]
    assert table.read_commit(3) == commit
    assert table.read_commit(4) is None
    assert [row.record.record_id for row in table.read_rows(commit)] == ["r0", "r1"]
    assert [record.record_id for record in read_committed(table.root, InvertedRecord)] == [
        "r0",
        "r1",
    ]


def test_uncommitted_files_do_not_exist_for_readers(table):
    table.write_rows(0, rows(2), pixel_format=PixelFormat())
    assert list(read_committed(table.root, InvertedRecord)) == []
    assert len(table.sizes()) == 2


def test_second_writer_loses_and_leaves_no_file(table):
    first = write(table, value=1)
    with pytest.raises(CommitTakenError) as taken:
        write(table, value=2)
    assert taken.value.commit == first
    assert set(table.sizes()) == {entry.path for entry in first.files.values()}
    assert table.read_rows(first)[0].record.psnr == 1


def test_same_bytes_of_two_writers_are_one_file(table):
    first = write(table, value=1)
    with pytest.raises(CommitTakenError):
        write(table, value=1)
    assert len(table.read_rows(first)) == 2


def test_replacing_swaps_the_marker_then_removes(table):
    former = write(table, value=1)
    latter = write(table, value=2, fingerprint="g", replaces=former)
    assert table.read_commit(0) == latter
    assert set(table.sizes()) == {entry.path for entry in latter.files.values()}


def test_markers_in_one_round(table):
    for shard in (0, 2, 5):
        write(table, shard)
    assert sorted(table.read_commits(range(8))) == [0, 2, 5]
    assert sorted(table.read_commits([2])) == [2]


def test_damaged_files_are_seen(table):
    commit = write(table)
    assert table.whole(commit, table.sizes())
    uri = uris.join(table.root, commit.files["records"].path)
    uris.put_bytes(uri, uris.read_bytes(uri)[:-9])
    assert not table.whole(commit, table.sizes())
    for read in (table.read_rows, lambda commit: table.read_columns(commit, ["record_id"])):
        with pytest.raises(DamagedFileError, match=r"records/part-00000.* is damaged: .*remove it"):
            read(commit)
    uris.remove(uri)
    assert not table.whole(commit, table.sizes())


@pytest.mark.parametrize("kind", ["records", "pixels"])
def test_a_file_that_is_gone_is_named_with_what_makes_it_again(table, kind):
    commit = write(table)
    uris.remove(uris.join(table.root, commit.files[kind].path))
    with pytest.raises(DamagedFileError, match=rf"{kind}/part-00000.* is gone; .*made it again"):
        table.read_rows(commit)
    if kind == "pixels":
        with pytest.raises(DamagedFileError, match=r"pixels/part-00000.* is gone"):
            table.read_picture_group(commit, 0)


def test_changed_bytes_of_the_same_number_are_damage(table):
    commit = write(table)
    uri = uris.join(table.root, commit.files["records"].path)
    data = uris.read_bytes(uri)
    uris.put_bytes(uri, data[:40] + bytes([data[40] ^ 1]) + data[41:])
    with pytest.raises(DamagedFileError, match=r"records/part-00000.* its bytes were changed"):
        table.read_rows(commit)


def test_sweep_removes_what_no_marker_names(table):
    kept = write(table, 0, value=1)
    write(table, 1, value=2)
    table.write_rows(0, rows(2, 9), pixel_format=PixelFormat())
    removed = table.sweep(last_shard=1)
    assert set(table.sizes()) == {entry.path for entry in kept.files.values()}
    assert table.shards() == [0]
    assert "_commits/00001.json" in removed


def test_marker_of_a_newer_version_still_reads(table):
    commit = write(table)
    data = uris.read_json(table.marker(0))
    uris.put_bytes(table.marker(0), uris.to_json({**data, "of_the_future": 1}))
    assert table.read_commit(0) == commit
    assert replace(commit, files={}) != commit


def test_some_columns_of_a_commit(table):
    commit = write(table, value=7)
    assert table.read_columns(commit, ["psnr", "record_id", "of_a_later_version"]) == [
        {"psnr": 7.0, "record_id": f"r{i}", "of_a_later_version": None} for i in range(2)
    ]
    uri = uris.join(table.root, commit.files["records"].path)
    uris.put_bytes(uri, uris.read_bytes(uri)[:-9])
    with pytest.raises(OSError, match="inverted"):
        table.read_columns(commit, ["psnr"])
