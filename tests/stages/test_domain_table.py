"""Tables of domains: one folder for all of them, and the place where release 0.1 kept each."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from itportrait.io import uris
from itportrait.io.commits import Commit, StageTable
from itportrait.io.parquet import PixelFormat, Row
from itportrait.records import StylizedRecord
from itportrait.stages.domain_table import DomainTable
from itportrait.stages.recipe import stage_table
from tests.helpers.tables import read_styled

RELEASE = Path(__file__).parents[1] / "data" / "release-0.1" / "out"


def write(table, domain, shard=0, *, replaces=None, count=2):
    rows = [
        Row(f"k{i}", StylizedRecord(record_id=f"r{i}", domain=domain, version="v", pixels=pictures))
        for i in range(count)
    ]
    files = table.write_rows(shard, rows, pixel_format=PixelFormat())
    given = {"stage": "stylize", "recipe": "r", "outputs": "o", "inputs": count, "ok": count}
    commit = Commit(shard=shard, fingerprint="f", files=files, **given)
    return table.commit(commit, replaces=replaces)


pictures = (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8))


@pytest.fixture
def former(tmp_path):
    """Return an output that release 0.1 has left."""
    shutil.copytree(RELEASE, tmp_path / "out")
    return tmp_path / "out"


def test_one_read_of_one_folder_is_one_table(tmp_path):
    import pandas as pd

    for domain, count in (("zombie", 2), ("2024", 3)):  # digits stay text
        write(stage_table(str(tmp_path), "stylize", domain), domain, count=count)
    records = pq.read_table(tmp_path / "stylized" / "records")
    assert records["domain"].to_pylist() == ["2024"] * 3 + ["zombie"] * 2
    assert len(pd.read_parquet(tmp_path / "stylized" / "pixels")) == 10
    one = pq.read_table(tmp_path / "stylized" / "records", filters=[("style", "=", "zombie")])
    assert one.num_rows == 2


def test_what_release_0_1_wrote_is_read_at_its_place(former):
    assert len(read_styled(former, "zombie", pixels=True)) == 3
    table = stage_table(str(former), "stylize", "zombie")
    shards = table.shards()
    assert table.read_commits(shards) == {shard: table.read_commit(shard) for shard in shards}
    sizes = table.sizes()
    assert all(table.whole(commit, sizes) and table.has_files(commit) for commit in table.commits())
    assert table.sweep(len(shards)) == []
    assert len(read_styled(former, "zombie", pixels=True)) == 3


def test_what_replaces_a_former_shard_lies_at_the_new_place(former):
    table = stage_table(str(former), "stylize", "zombie")
    first, *_ = table.commits()
    write(table, "zombie", first.shard, replaces=first)
    root = former / "stylized"
    left = StageTable(str(root / "domain=zombie"), StylizedRecord)
    assert first.shard not in left.shards()
    assert not any((root / entry.path).exists() for entry in first.files.values())
    assert pq.read_table(root / "records").num_rows == 2
    assert [row.record_id for row in read_styled(former, "zombie")][:2] == ["r0", "r1"]
    table.discard(first.shard)
    assert table.read_commit(first.shard) is None


def test_a_writer_that_was_killed_in_between_leaves_the_new_shard(former):
    table = stage_table(str(former), "stylize", "zombie")
    assert isinstance(table, DomainTable)
    first, *_ = table.commits()
    marker = former / "stylized" / "domain=zombie" / "_commits" / f"{first.shard:05d}.json"
    stale = marker.read_bytes()
    standing = write(table, "zombie", first.shard, replaces=first)
    marker.write_bytes(stale)  # as if it was killed before it removed it
    assert table.read_commit(first.shard) == standing
    table.sweep(len(table.shards()))
    assert not marker.exists()
    assert table.read_commit(first.shard) == standing


def test_a_domain_of_the_new_layout_leaves_its_neighbors_alone(tmp_path):
    root = f"memory://{tmp_path}"
    tables = [stage_table(root, "stylize", name) for name in ("a", "b")]
    commits = [write(table, name) for table, name in zip(tables, ("a", "b"), strict=True)]
    tables[0].sweep(0)
    assert tables[0].shards() == []
    assert tables[1].read_commit(0) == replace(commits[1])
    assert uris.list_tree(uris.join(root, "stylized", "records")) != []
    assert tables[1].has_files(commits[1])
