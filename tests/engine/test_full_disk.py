"""A disk that fills in the middle of a commit and is freed again: the same rows, the same bytes."""

from itertools import count
from pathlib import Path

import pytest

from itportrait.engine.poison_search import Search, put_search, read_search
from itportrait.engine.work import ShardTask, run_shard
from itportrait.errors import OutputError
from itportrait.io.lease import Lease
from tests.engine.fake_engine import engine, shards_of
from tests.engine.fake_stages import chain
from tests.helpers.small_disk import small_disk


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


def contents(table) -> dict[str, bytes]:
    """Return what is committed, by path, and check that nothing else lies there."""
    root = Path(table.root)
    named = {e.path for commit in table.commits() for e in commit.files.values()}
    there = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    assert {path for path in there if not path.startswith("_commits/")} == named
    assert not [path for path in there if path.endswith(".tmp")]
    return {path: (root / path).read_bytes() for path in named}


def error_of(recipe, shard) -> str | None:
    """Return what ends the work on a shard, if anything does."""
    try:
        run_shard(recipe, ShardTask(shard))
    except OutputError as error:
        return str(error)
    return None


def test_commit_that_any_page_interrupts_is_whole_after_the_next_run(disk, photos, tmp_path, log):
    """The disk is full after 0, 1, 2, ... pages, until there is room for all of the shard."""
    (shard,) = shards_of(photos("a.png", "b.png", "broken.png"), 8)
    calm = chain(tmp_path / "calm", log=log)[0]
    run_shard(calm, ShardTask(shard))
    for pages in count():
        align = chain(disk.folder / f"out{pages}", log=log)[0]
        disk.fill(pages_left=pages)
        error = error_of(align, shard)
        if error is None:
            break
        assert str(disk.folder) in error
        assert "No space left" in error
        assert "\n" not in error
        assert align.table().read_commit(0) is None
        disk.free()
        run_shard(align, ShardTask(shard))
        align.table().sweep(1)
        assert contents(align.table()) == contents(calm.table())
    assert pages >= 4


def test_job_on_a_full_disk_ends_in_one_sentence_and_goes_on_when_there_is_space(
    ray_cluster, disk, photos, tmp_path, log
):
    folder = photos(*(f"{i}.png" for i in range(6)), "broken.png")
    engine(chain(tmp_path / "calm", log=log)).run(shards_of(folder, 2))
    ends = []
    for pages in (60, 40, 25, 12, 0):
        recipes = chain(disk.folder / f"out{pages}", log=log)
        disk.fill(pages_left=pages)
        try:
            with Lease(recipes[0].output, what="test"):
                engine(recipes).run(shards_of(folder, 2))
        except OutputError as error:
            ends.append(str(error))
        disk.free()
        with Lease(recipes[0].output, what="test"):
            made = engine(recipes)
            made.run(shards_of(folder, 2))
        for ours, calm in zip(recipes, chain(tmp_path / "calm"), strict=True):
            assert contents(ours.table()) == contents(calm.table())
        assert made.totals.stage("align").reasons == {"DecodeError": 1}
    assert len(ends) >= 3
    assert all("No space left" in text and "\n" not in text for text in ends)


def test_search_that_cannot_be_kept_is_an_error_of_the_output(disk, log):
    align = chain(disk.folder / "out", log=log)[0]
    put_search(align, 0, Search.begin("t", 4))
    disk.fill(pages_left=0)
    with pytest.raises(OutputError, match="No space left"):
        put_search(align, 0, Search("t", 4, {(0, 2): 1, (2, 4): 0}))
    assert read_search(align, 0, "t") == Search.begin("t", 4)
