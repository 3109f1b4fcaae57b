"""Verdicts: what earlier releases blamed on records for the sake of a machine is computed again."""

import pytest

from itportrait.engine.poison_search import Search, put_search, read_search, search_target
from itportrait.engine.verdicts import ALONE, all_hold, holds
from itportrait.engine.work import ShardTask, run_shard
from tests.engine.fake_engine import engine, shards_of
from tests.engine.fake_stages import chain, computed

BY_MEMORY = (
    "alone in its process, it ended that process 2 times (OutOfMemoryError: Task was killed due "
    "to the node running low on memory.)"
)
BY_NODE = (
    "alone in its process, it ended that process 2 times (LocalRayletDiedError: The task's local "
    "raylet died. Check raylet.out for more information.)"
)
BY_CRASH = (
    "alone in its process, it ended that process 2 times (WorkerCrashedError: The worker died "
    "unexpectedly while executing this task.)"
)
TRIED = f"{ALONE} it ended that process 2 times (OutOfMemoryError: …)"


@pytest.fixture
def align(tmp_path):
    (tmp_path / "log").mkdir()
    return chain(tmp_path / "out", log=tmp_path / "log")[0]


@pytest.mark.parametrize(
    ("kind", "message", "stands"),
    [
        ("WorkerLost", BY_MEMORY, False),
        ("WorkerLost", BY_NODE, False),
        ("TimedOut", "alone in its process, it ran past 90 s (NodeDiedError: …)", False),
        ("WorkerLost", BY_CRASH, True),
        ("WorkerLost", TRIED, True),
        ("OutOfMemory", TRIED, True),
        ("DecodeError", "not a picture: MemoryError", True),
    ],
)
def test_verdict_holds_unless_the_machine_was_the_reason(kind, message, stands):
    assert holds(kind, message) is stands


@pytest.mark.parametrize(("message", "again"), [(BY_MEMORY, 1), (BY_NODE, 1), (BY_CRASH, 0)])
def test_rows_of_earlier_releases_are_computed_again(align, photos, tmp_path, message, again):
    (shard,) = shards_of(photos("a.png", "b.png", "c.png"), 8)
    former = run_shard(align, ShardTask(shard, quarantined={1: ("WorkerLost", message)}))
    assert (former.ok, former.failed) == (2, 1)
    commit = align.table().read_commit(0)
    assert all_hold(align.table(), commit) is not bool(again)
    before = len(computed(tmp_path / "log", "align"))
    commit = run_shard(align, ShardTask(shard))
    assert (commit.ok, commit.failed) == (2 + again, 1 - again)
    assert computed(tmp_path / "log", "align")[before:] == ["b.png"] * again
    assert run_shard(align, ShardTask(shard)) == commit


def test_job_plans_to_compute_them_again_without_being_asked_to(align, photos, tmp_path):
    folder = photos("a.png", "b.png", "c.png")
    (shard,) = shards_of(folder, 8)
    recipes = chain(tmp_path / "out", log=tmp_path / "log")
    run_shard(align, ShardTask(shard, quarantined={1: ("WorkerLost", BY_MEMORY)}))
    assert engine(recipes).plan([shard]).to_compute["align"] == 1
    run_shard(align, ShardTask(shard))
    assert engine(recipes).plan([shard]).done["align"] == 1


def test_search_of_an_earlier_release_takes_its_record_up_again(align, photos):
    (shard,) = shards_of(photos("a.png", "b.png", "c.png"), 8)
    target = search_target(align, shard.keys())
    quarantined = {0: ("WorkerLost", BY_MEMORY), 2: ("WorkerLost", BY_CRASH)}
    put_search(align, 0, Search(target, 3, {}, quarantined))
    found = read_search(align, 0, target)
    assert found is not None
    assert found.ranges == {(0, 1): 0}
    assert found.quarantined == {2: ("WorkerLost", BY_CRASH)}


@pytest.mark.parametrize("name", ["greedy.png", "fenced.png", "cuda.png", "torch.png"])
def test_lack_of_memory_is_raised_and_never_a_row_of_a_task(align, photos, name):
    (shard,) = shards_of(photos("a.png", name), 8)
    with pytest.raises(MemoryError):
        run_shard(align, ShardTask(shard))
    assert align.table().read_commit(0) is None
