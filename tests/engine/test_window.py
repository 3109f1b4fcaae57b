"""The window on a simulated cluster: what a machine does to a task is not the record's fault."""

import uuid
from collections import Counter

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from itportrait.engine.pieces import StageResources
from itportrait.engine.window import Window, WindowLimits
from itportrait.errors import ItportraitError
from itportrait.execution.causes import ClusterLostError
from itportrait.execution.executor import Call
from itportrait.execution.governor import NoMemoryError
from itportrait.io import uris
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard
from tests.engine.fake_stages import chain
from tests.engine.simulated import LOOK_S, SHARD_SIZE, Fate, Shortage, SimulatedCluster

ALIGN, INVERT, STYLIZE = CHAIN

FOLLOWS = {ALIGN: 1, INVERT: 2}
RESOURCES: dict[str, StageResources] = dict.fromkeys((ALIGN, INVERT, STYLIZE), StageResources())


class Job:
    """Shards through all stages on a simulated cluster, as the pipeline sends them."""

    def __init__(self, cluster: SimulatedCluster, shards: int = 3, **limits) -> None:
        self.cluster, self.shards = cluster, shards
        self.recipes = chain(f"memory://window/{uuid.uuid4().hex}")
        self.commits: dict[tuple[str, int], list] = {}
        self.events: list[str] = []
        self.window = Window(
            cluster,
            WindowLimits(**{"in_flight": 4, **limits}),
            RESOURCES,
            on_commit=self.committed,
            on_damaged=lambda *_: pytest.fail("nothing is damaged"),
            on_event=self.events.append,
            clock=cluster.clock,
        )

    def committed(self, recipe, shard, commit) -> None:
        self.commits.setdefault((recipe.stage, shard.index), []).append(commit)
        if recipe.stage in FOLLOWS:
            self.window.add(self.recipes[FOLLOWS[recipe.stage]], shard, commit.rows_ok, "inputs")

    def run(self) -> "Job":
        source = iter(range(self.shards))
        left = self.shards
        for _ in range(100_000):
            while left and self.window.has_room:
                self.window.add(self.recipes[0], Shard(next(source), ()), SHARD_SIZE, "inputs")
                left -= 1
            if not left and not len(self.window):
                return self
            self.window.step(0.25)
        raise AssertionError("the job does not end")

    def reasons(self) -> Counter:
        return Counter(
            {
                (stage, shard, kind): count
                for (stage, shard), (commit, *_) in self.commits.items()
                for kind, count in commit.reasons.items()
            }
        )

    def check_one_commit_each(self) -> None:
        wanted = {(stage, shard) for stage in RESOURCES for shard in range(self.shards)}
        assert self.commits.keys() == wanted
        assert all(len(commits) == 1 for commits in self.commits.values())
        for (stage, shard), (commit,) in self.commits.items():
            before = CHAIN[: CHAIN.index(stage)]
            lost = sum(self.commits[earlier, shard][0].failed for earlier in before)
            assert commit.inputs == commit.ok + commit.failed == SHARD_SIZE - lost


RECORDS = st.frozensets(
    st.tuples(
        st.sampled_from([ALIGN, INVERT, STYLIZE]), st.integers(0, 2), st.integers(0, SHARD_SIZE - 1)
    ),
    max_size=3,
)


FATES = st.lists(st.tuples(st.sampled_from(list(Fate)), st.integers(1, 12)), max_size=12).map(
    lambda runs: [fate for fate, count in runs for _ in range(count)]
)


BEGINS = st.floats(0, 60)
SHORTAGES = st.lists(
    st.builds(Shortage, BEGINS, st.floats(2 * LOOK_S, 120), st.booleans()), max_size=4
)
"""Each is still there when the node is looked at after a loss to it."""
BLINKS = st.lists(st.builds(Shortage, BEGINS, st.floats(0.01, LOOK_S), st.booleans()), max_size=1)
"""Over before the node is looked at: one alone never decides."""
SCHEDULES = {
    "fates": FATES,
    "poison": RECORDS,
    "huge": RECORDS,
    "endless": RECORDS,
    "slots": st.integers(1, 4),
    "shortages": st.builds(list.__add__, SHORTAGES, BLINKS),
}


def check_verdicts(crash_retries: int, **schedule) -> None:
    """Check one commit per shard and stage, healthy records ok, bad ones with their own kind."""
    cluster = SimulatedCluster(**schedule)
    limits = {"storage_retries": 50, "node_retries": 50, "memory_wait_s": 1800.0}
    job = Job(cluster, crash_retries=crash_retries, **limits).run()
    job.check_one_commit_each()
    expected: Counter = Counter()
    bad = cluster.poison | cluster.huge | cluster.endless
    left = {"OutOfMemory": cluster.huge}
    left["WorkerLost"] = cluster.poison - cluster.huge
    left["TimedOut"] = cluster.endless - cluster.poison - cluster.huge
    for kind, records in left.items():
        for stage, shard, at in records:
            before = CHAIN[: CHAIN.index(stage)]
            reached = not any((earlier, shard, at) in bad for earlier in before)
            expected[stage, shard, kind] += reached
    assert job.reasons() == expected


@settings(max_examples=300, deadline=None)
@given(crash_retries=st.integers(0, 2), **SCHEDULES)
def test_only_bad_records_are_quarantined_whatever_the_machine_does(crash_retries, **schedule):
    check_verdicts(crash_retries, **schedule)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@seed(1)
@given(crash_retries=st.integers(0, 2), **SCHEDULES)
def test_the_same_holds_for_a_thousand_schedules_more(crash_retries, **schedule):
    check_verdicts(crash_retries, **schedule)


class GreedyNeighbor(SimulatedCluster):
    """Somebody else takes all memory for a while as soon as a record is tried alone: five times."""

    by_kernel = False
    taken = 0

    def submit(self, call: Call) -> int:
        if call.trial and self.taken < 5 and not self.is_short:
            self.taken += 1
            shortage = Shortage(self.clock.now + 0.05, 20.0, self.by_kernel)
            self.shortages = [*self.shortages, shortage]
        return super().submit(call)


@pytest.mark.parametrize("by_kernel", [False, True])
@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("poison", "WorkerLost"), ("huge", "OutOfMemory"), ("endless", "TimedOut"), ("healthy", "")],
)
def test_memory_that_vanishes_during_trials_changes_no_verdict(kind, verdict, by_kernel):
    cluster = GreedyNeighbor()
    cluster.by_kernel = by_kernel
    if verdict:
        setattr(cluster, kind, frozenset({(ALIGN, 0, 0)}))
    else:
        cluster.fates = [Fate.KILLED_BESIDE_OTHERS] * 200
    job = Job(cluster, shards=2).run()
    assert cluster.taken == 5
    assert job.reasons() == Counter({(ALIGN, 0, verdict): 1} if verdict else {})
    assert sum("no memory is free after it" in event for event in job.events) == 5


def test_memory_that_is_short_for_a_minute_costs_time_and_nothing_else():
    job = Job(SimulatedCluster(shortages=[Shortage(2.0, 60.0)], slots=4)).run()
    job.check_one_commit_each()
    assert not job.reasons()
    assert job.cluster.clock.now < 62 + 15 + 3 * 3 * SHARD_SIZE
    assert any("lost to memory" in event for event in job.events)


def test_less_is_in_flight_after_a_loss_and_all_of_it_again_later():
    job = Job(SimulatedCluster([Fate.MEMORY] * 4, slots=4), shards=12).run()
    at_once = [count for _, count in job.cluster.most_at_once]
    assert 1 in at_once[4:8]
    assert max(at_once[-12:]) == 4
    assert not job.window.governor.strained


def test_record_that_needs_too_much_memory_ends_with_that_reason():
    job = Job(SimulatedCluster(huge=frozenset({(ALIGN, 1, 2)}), slots=4)).run()
    job.check_one_commit_each()
    assert job.reasons() == Counter({(ALIGN, 1, "OutOfMemory"): 1})
    assert any("record 2 is quarantined (OutOfMemory)" in event for event in job.events)


def test_suspects_run_while_nothing_else_does():
    poison = frozenset({(ALIGN, 0, 2), (ALIGN, 2, 0), (INVERT, 1, 1)})
    job = Job(SimulatedCluster(poison=poison, slots=4)).run()
    assert job.reasons().total() == 3
    beside = dict(zip(map(id, job.cluster.started), job.cluster.most_at_once, strict=True))
    alone = [c for c in job.cluster.started if c.room is not None and c.args[1].stop is not None]
    assert len(alone) >= 3
    assert {beside[id(call)][1] for call in alone} == {1}


def test_suspects_wait_for_what_else_loads_the_nodes():
    cluster = SimulatedCluster(poison=frozenset({(ALIGN, 0, 0)}))
    job = Job(cluster, shards=1)
    job.window.add(job.recipes[0], Shard(0, ()), SHARD_SIZE, "inputs")
    for _ in range(400):
        job.window.step(0.25, quiet=False)
    assert len(job.window) == 1
    assert not job.commits
    for _ in range(40):
        job.window.step(0.25)
    assert job.commits[ALIGN, 0][0].reasons == {"WorkerLost": 1}


def test_memory_that_never_comes_ends_the_job_in_one_sentence():
    job = Job(SimulatedCluster(shortages=[Shortage(0.0, 1e9)]), memory_wait_s=600)
    with pytest.raises(NoMemoryError, match="same command again") as caught:
        job.run()
    assert "\n" not in str(caught.value)
    assert 600 < job.cluster.clock.now < 700
    assert not job.commits


def test_nodes_that_keep_going_down_end_the_job_and_blame_nobody():
    job = Job(SimulatedCluster([Fate.NODE] * 1000), node_retries=3)
    with pytest.raises(ItportraitError, match="4 nodes were lost"):
        job.run()
    assert uris.list_names(uris.join(job.recipes[0].table().root, "_partial")) == []


def test_head_that_is_gone_ends_the_job():
    job = Job(SimulatedCluster(gone_at=3.0))
    with pytest.raises(ClusterLostError):
        job.run()
    job.window.cancel()
    assert len(job.window) == 0
