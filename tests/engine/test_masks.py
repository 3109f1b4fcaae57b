"""Portraits with masks through real stages: computed once each, kept, and told apart."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from itportrait.engine.local import committed_shards, run_stage
from itportrait.image import encode
from itportrait.ingest import list_sources
from itportrait.jobs.stylize.config import load_job
from itportrait.mini.samples import draw_photo
from itportrait.portraits import sample_people
from itportrait.stages.shards import iter_shards

SIZE = 96
SETTINGS = [
    "ingest.shard_size=2",
    "align.size=64",
    "invert.method=w_plus",
    "invert.steps=1",
    "invert.statistics_samples=64",
    "invert.batch_size=1",
]


def mask(hidden_rows):
    values = np.full((SIZE, SIZE), 255, np.uint8)
    values[hidden_rows] = 0
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def photo():
    (person,) = sample_people(1, seed=3)
    return draw_photo(person, seed=3, size=SIZE)


def write(path, photo, masks):
    count = len(masks)
    columns = {
        "image": [encode(photo.portrait.image)] * count,
        "landmarks": [photo.portrait.landmarks.flatten().tolist()] * count,
        "mask": pa.array(masks, pa.binary()),
    }
    pq.write_table(pa.table(columns), path)
    return str(path)


def run(table, output):
    """Align and invert the rows of a table; return the rows and the commits of both stages."""
    job = load_job(None, SETTINGS, input=table, output=str(output))
    align, invert = job.recipe("align", ""), job.recipe("invert", "mini")
    shards = iter_shards(list_sources(table), job.shard_size())
    run_stage(align, shards)
    run_stage(invert, committed_shards(invert))
    tables = align.table(), invert.table()
    commits = [list(table.commits()) for table in tables]
    rows = [
        [row for commit in found for row in table.read_rows(commit)]
        for table, found in zip(tables, commits, strict=True)
    ]
    return *rows, commits


@pytest.mark.slow
def test_the_same_photo_with_other_masks_is_another_portrait(tmp_path, photo):
    upper, lower = mask(slice(0, 30)), mask(slice(70, SIZE))
    table = write(tmp_path / "t.parquet", photo, [None, upper, lower, upper])
    aligned, inverted, commits = run(table, tmp_path / "out")
    ids = [row.record.record_id for row in aligned]
    assert len(set(ids)) == 3
    assert ids[1] == ids[3]
    assert [row.record.mask_sha256 is None for row in aligned] == [True, False, False, False]
    assert (aligned[1].record.mask == aligned[3].record.mask).all()
    assert (aligned[1].record.mask != aligned[2].record.mask).any()
    assert [row.record.record_id for row in inverted] == ids
    # The repeat lies in another shard: its row is copied, with the code of its own mask.
    assert [[commit.computed for commit in found] for found in commits] == [[2, 2], [2, 1]]
    codes = [row.record.w_plus for row in inverted]
    np.testing.assert_array_equal(codes[1], codes[3])
    assert not np.array_equal(codes[1], codes[2])
    assert run(table, tmp_path / "out")[2] == commits  # their seconds included: they stand

    changed = write(tmp_path / "t.parquet", photo, [None, upper, mask(slice(0, 20)), upper])
    after, again, _ = run(changed, tmp_path / "out")
    assert [row.record.record_id == before for row, before in zip(after, ids, strict=True)] == [
        *(True, True, False, True)
    ]
    for position in (0, 1, 3):
        np.testing.assert_array_equal(again[position].record.w_plus, codes[position])
    assert not np.array_equal(again[2].record.w_plus, codes[2])
