"""Sets in aligned tables: streamed, the same at every resume, honest about what is left out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from itportrait.align.stage import AlignStage
from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.learning.seeds import step_rng
from itportrait.picture_sets import AlignedSet, DrawnSet, aligned, open_pictures
from itportrait.picture_sets.base import choose
from itportrait.records import AlignedRecord, RecordError, Status
from itportrait.stages.recipe import Recipe
from tests.helpers.tables import commit_rows


def picture(index):
    """Return a picture whose color is its number."""
    return np.full((16, 16, 3), index, np.uint8)


def record(index, status=Status.OK):
    error = None if status is Status.OK else RecordError("align", "no_face", "no face")
    return AlignedRecord(
        record_id=f"{index:04d}",
        uri=f"{index}.png",
        status=status,
        error=error,
        pixels=picture(index),
    )


@pytest.fixture
def table(tmp_path):
    """Return a writer of shards, and the URI of their table."""
    recipe = Recipe(stage=AlignStage.name, output=str(tmp_path / "out"), config="{}")

    def write(shard, records):
        commit_rows(recipe, shard, records)
        return str(tmp_path / "out" / "aligned")

    return write


def numbers(batch):
    """Return the numbers of a batch's pictures, from their pixels."""
    return [round((float(image.mean()) + 1) * 127.5) for image in batch.images]


def test_batches_show_the_pictures_of_their_ids_at_the_wanted_size(table):
    found = AlignedSet(table(0, [record(i) for i in range(5)]), 8)
    batch = found.batch(0, 4, seed=1)
    assert batch.images.shape == (4, 3, 8, 8)
    assert batch.images.abs().max() <= 1
    assert numbers(batch) == [int(record_id) for record_id in batch.record_ids]
    assert len(set(batch.record_ids)) == 4


def test_a_batch_depends_on_its_step_alone(table):
    for shard in range(7):
        uri = table(shard, [record(10 * shard + i) for i in range(10)])
    once, again = AlignedSet(uri, 8), AlignedSet(uri, 8)
    first = [once.batch(step, 6, seed=3) for step in range(300)]
    for step in (299, 150, 0):
        resumed = again.batch(step, 6, seed=3)
        assert resumed.record_ids == first[step].record_ids
        torch.testing.assert_close(resumed.images, first[step].images, rtol=0, atol=0)
    assert once.batch(0, 6, seed=3, rank=1).record_ids != first[0].record_ids
    assert once.batch(0, 6, seed=4).record_ids != first[0].record_ids


def test_every_picture_comes_and_none_much_more_often(table, monkeypatch):
    monkeypatch.setattr(aligned, "_DRAWS", 16)
    for shard in range(9):
        uri = table(shard, [record(10 * shard + i) for i in range(10)])
    found = AlignedSet(uri, 8)
    drawn = [i for step in range(900) for i in found.batch(step, 8, seed=0).record_ids]
    counts = [drawn.count(f"{i:04d}") for i in range(90)]
    assert min(counts) > 40  # 80 on average
    assert max(counts) < 140


def test_all_row_groups_of_a_large_shard_are_drawn(table, monkeypatch):
    monkeypatch.setattr("itportrait.io.parquet._PIXEL_ROWS_PER_GROUP", 8)
    monkeypatch.setattr(aligned, "_DRAWS", 16)
    found = AlignedSet(table(0, [record(i) for i in range(64)]), 8)
    drawn = {i for step in range(80) for i in found.batch(step, 8, seed=0).record_ids}
    assert len(drawn) == 64


def test_memory_does_not_grow_with_the_set(table):
    for shard in range(12):
        uri = table(shard, [record(20 * shard + i) for i in range(20)])
    found = AlignedSet(uri, 8)
    for step in range(0, 3000, 100):
        found.batch(step, 8, seed=0)
    assert found._load.cache_info().currsize <= aligned._POOL


def test_rows_without_a_picture_are_left_out_and_counted(table):
    rows = [record(0), record(1, Status.REJECTED), record(2), record(3, Status.FAILED)]
    found = AlignedSet(table(0, rows), 8)
    assert (found.count, found.left_out) == (2, {"rejected": 1, "failed": 1})
    drawn = {i for step in range(20) for i in found.batch(step, 2, seed=0).record_ids}
    assert drawn == {"0000", "0002"}
    assert found.summary()["left_out"] == {"rejected": 1, "failed": 1}


def test_row_groups_without_pictures_are_passed_over(table, monkeypatch):
    monkeypatch.setattr("itportrait.io.parquet._PIXEL_ROWS_PER_GROUP", 2)
    rows = [record(i, Status.REJECTED) for i in range(14)]
    found = AlignedSet(table(0, [*rows, record(14), record(15)]), 8)
    assert found.batch(0, 3, seed=0).record_ids.count("0014") in (1, 2)
    monkeypatch.setattr(found._table, "read_picture_group", lambda *_: [])
    found._load.cache_clear()
    with pytest.raises(NoInputError, match=r"those of 2 records in .*align the pictures again"):
        found.batch(0, 3, seed=0)
    with pytest.raises(InvalidArgumentError, match="at least one"):
        choose([], 3, step_rng(0, 0, 0))


def test_pictures_without_a_camera_are_counted(table):
    rows = [replace(record(i), camera=np.eye(5, dtype=np.float32).ravel()) for i in range(3)]
    uri = table(0, [*rows, record(3), record(4, Status.REJECTED)])
    found = AlignedSet(uri, 8)
    assert (found.count, found.without_camera) == (4, 1)
    assert found.batch(0, 4, seed=0).cameras is None
    assert AlignedSet(table(0, rows), 8).without_camera == 0
    assert DrawnSet("clown", 2, 8).without_camera == 2


def test_a_small_set_fills_a_batch_evenly(table):
    found = AlignedSet(table(0, [record(i) for i in range(3)]), 8)
    ids = found.batch(0, 7, seed=0).record_ids
    assert sorted(ids.count(f"{i:04d}") for i in range(3)) == [2, 2, 3]
    assert len(found.sample()) == 3


def test_the_digest_is_of_content_and_not_of_shards(table, tmp_path):
    whole = AlignedSet(table(0, [record(i) for i in range(6)]), 8).digest
    assert AlignedSet(table(0, [record(i) for i in (5, 4, 3, 2, 1, 0)]), 32).digest == whole
    table(0, [record(i) for i in range(3)])
    uri = table(1, [record(i) for i in range(3, 6)])
    assert AlignedSet(uri, 8).digest == whole
    assert AlignedSet(table(1, [record(i) for i in range(3, 7)]), 8).digest != whole


def test_a_folder_of_drawings_is_told_to_be_aligned_first(tmp_path):
    (tmp_path / "drawing.png").write_bytes(b"")
    with pytest.raises(NoInputError, match=r"itportrait align .* OUT.*OUT/aligned"):
        open_pictures(str(tmp_path), 8, drawn=4)


def test_a_table_without_pictures_says_what_it_has(table):
    uri = table(0, [record(0, Status.REJECTED), record(1, Status.REJECTED)])
    with pytest.raises(NoInputError, match="2 rejected"):
        AlignedSet(uri, 8)


def test_a_damaged_picture_is_named(table, monkeypatch):
    uri = table(0, [record(0)])
    found = AlignedSet(uri, 8)
    monkeypatch.setattr(found._table, "read_picture_group", lambda *_: [("0000", b"no picture")])
    with pytest.raises(DecodeError, match=r"picture 0000 of .* align it again"):
        found.batch(0, 1, seed=0)
