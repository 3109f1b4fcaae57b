"""The search for a poison record: what it knows, and that it is there for the next driver."""

from dataclasses import replace

import pytest

from itportrait.engine.poison_search import (
    FILE,
    Search,
    list_searches,
    put_search,
    read_search,
    search_target,
)
from itportrait.engine.work import ShardTask, run_shard
from itportrait.io import uris
from itportrait.stages.registry import CHAIN
from tests.engine.fake_engine import engine, shards_of
from tests.engine.fake_stages import chain, computed, recipe

ALIGN = CHAIN[0]


def quarantining(target: str, items: int, position: int) -> Search:
    """Return a search that has come to its end."""
    search = Search(target, items, {(position, position + 1): 2})
    search.quarantine(position, "WorkerLost", "alone in its process, it ended that process 2 times")
    return search


def test_halves_until_the_record_stands_alone():
    search = Search.begin("t", 5)
    assert not search.begun
    assert [search.count_crash(0, 5) for _ in range(2)] == [1, 2]
    assert search.halve(0, 5) == [(0, 2), (2, 5)]
    search.close(0, 2)
    assert search.count_crash(2, 5) == 1
    assert search.halve(2, 5) == [(2, 3), (3, 5)]
    search.close(3, 5)
    assert not search.over
    search.quarantine(2, "WorkerLost", "s3://user:secret@host/a.png ended it")
    assert search.over
    assert search.begun
    assert search.quarantined == {2: ("WorkerLost", "s3://***@host/a.png ended it")}


def test_next_driver_finds_it_where_the_ranges_are_kept(tmp_path):
    align = recipe(ALIGN, tmp_path)
    target = search_target(align, ["a", "b", "c", "d"])
    search = Search(target, 4, {(0, 2): 1, (2, 3): 0}, {3: ("TimedOut", "it ran past 9 s")})
    assert list_searches(align) == frozenset()
    assert read_search(align, 12, target) is None
    put_search(align, 12, search)
    assert list_searches(align) == {12}
    assert read_search(align, 12, target) == search
    assert list(align.partial_table(12).commits()) == []


def test_changed_shard_or_recipe_or_a_retry_begins_anew(tmp_path):
    align = recipe(ALIGN, tmp_path)
    target = search_target(align, ["a", "b"])
    put_search(align, 0, Search.begin(target, 2))
    others = [
        search_target(align, ["a", "c"]),
        search_target(replace(align, config='{"size": 64}'), ["a", "b"]),
        search_target(replace(align, retry_failed=True), ["a", "b"]),
    ]
    assert [read_search(align, 0, other) for other in others] == [None] * 3


def test_trials_are_counted_by_what_ended_them_and_kept(tmp_path):
    align = recipe(ALIGN, tmp_path)
    search = Search("t", 3, {(0, 2): 0, (2, 3): 0})
    kinds = ["WorkerLost", "OutOfMemory", "WorkerLost"]
    assert [search.count_trial(2, kind) for kind in kinds] == [1, 1, 2]
    assert search.ranges[2, 3] == 3
    put_search(align, 0, search)
    assert read_search(align, 0, "t") == search
    search.quarantine(2, "WorkerLost", "it ended that process 2 times")
    assert search.trials == {}


def test_search_of_release_0_1_begins_its_trials(tmp_path):
    align = recipe(ALIGN, tmp_path)
    former = {"target": "t", "items": 2, "ranges": [[0, 1, 1]], "quarantined": []}
    uris.put_bytes(uris.join(align.partial_table(0).root, FILE), uris.to_json(former))
    assert read_search(align, 0, "t") == Search("t", 2, {(0, 1): 1})


@pytest.mark.parametrize("data", [b"", b"[]", b'{"target": "t"}', b'{"target": "t", "items": 2}'])
def test_damaged_file_begins_anew(tmp_path, data):
    align = recipe(ALIGN, tmp_path)
    uris.put_bytes(uris.join(align.partial_table(0).root, FILE), data)
    assert read_search(align, 0, "t") is None


@pytest.fixture
def job(ray_cluster, tmp_path):
    """A function that runs a job on one shard and returns the totals of `align`."""
    (tmp_path / "log").mkdir()

    def run(shard, **values):
        made = engine(chain(tmp_path / "out", log=tmp_path / "log", **values))
        made.run([shard])
        return made.totals.stage(ALIGN)

    return run


def shard_of(folder):
    (shard,) = shards_of(folder, 8)
    return shard


def test_quarantine_outlives_the_driver_that_found_it(job, photos, tmp_path):
    shard = shard_of(photos("a.png", "b.png", "poison.png"))
    align = recipe(ALIGN, tmp_path / "out", log=tmp_path / "log")
    run_shard(align, ShardTask(shard, 0, 2))
    put_search(align, 0, quarantining(search_target(align, shard.keys()), 3, 2))
    found = job(shard)
    assert (found.inputs, found.ok, found.reasons) == (3, 2, {"WorkerLost": 1})
    assert computed(tmp_path / "log", "align") == ["a.png", "b.png"]
    assert uris.list_names(align.partial_table(0).root) == []


def test_open_ranges_go_on_and_nothing_else_is_computed(job, photos, tmp_path):
    shard = shard_of(photos("a.png", "b.png", "c.png", "d.png"))
    align = recipe(ALIGN, tmp_path / "out", log=tmp_path / "log")
    run_shard(align, ShardTask(shard, 0, 2))
    put_search(align, 0, Search(search_target(align, shard.keys()), 4, {(2, 3): 1, (3, 4): 0}))
    found = job(shard)
    assert (found.inputs, found.ok) == (4, 4)
    assert sorted(computed(tmp_path / "log", "align")) == ["a.png", "b.png", "c.png", "d.png"]
    assert uris.list_names(align.partial_table(0).root) == []


@pytest.mark.parametrize("change", [{"config": '{"size": 64}'}, {"retry_failed": True}])
def test_quarantine_of_another_recipe_or_before_a_retry_is_dropped(job, photos, tmp_path, change):
    shard = shard_of(photos("a.png", "b.png"))
    align = recipe(ALIGN, tmp_path / "out", log=tmp_path / "log")
    put_search(align, 0, quarantining(search_target(align, shard.keys()), 2, 1))
    found = job(shard, **change)
    assert (found.inputs, found.ok) == (2, 2)


@pytest.mark.slow
def test_retry_failed_looks_for_quarantined_records_again(job, photos, tmp_path):
    shard = shard_of(photos("a.png", "poison.png"))
    assert job(shard).reasons == {"WorkerLost": 1}
    before = computed(tmp_path / "log", "align")
    assert job(shard).computed == 0
    assert job(shard, retry_failed=True).reasons == {"WorkerLost": 1}
    again = computed(tmp_path / "log", "align")[len(before) :]
    assert set(again) == {"poison.png"}
