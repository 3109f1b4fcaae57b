"""The pipeline under random schedules of failures: one row per input and stage, whatever happens.

Tasks are simulated, in their own time. Pipeline, window, repeats, searches and commits are real;
the markers of the tables lie in memory.
"""

import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from itportrait.config import fingerprint
from itportrait.engine.pieces import StageResources
from itportrait.engine.pipeline import Domain, Pipeline
from itportrait.engine.repeats import NO_PORTRAIT
from itportrait.engine.totals import Totals
from itportrait.engine.window import WindowLimits
from itportrait.engine.work import ShardTask
from itportrait.execution.causes import MemoryLostError, ProcessLostError, TimeLimitError
from itportrait.execution.executor import Call
from itportrait.io.commits import Commit
from itportrait.records import Source
from itportrait.stages.items import digest_of_inputs
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard
from tests.engine.fake_stages import chain
from tests.engine.simulated import LOOK_S, Fate, Shortage, SimulatedCluster, raising

KINDS = {
    "huge": ("OutOfMemory", MemoryLostError("the node runs low on memory")),
    "poison": ("WorkerLost", ProcessLostError("the process ended")),
    "endless": ("TimedOut", TimeLimitError("it ran past its time limit")),
}
"""Verdict on a bad record, and what ends the tasks that compute it."""


class StoredCluster(SimulatedCluster):
    """A simulated cluster whose tasks commit markers; a shard's photos are small numbers.

    What stands committed is not computed again, nor what a shard may copy from another one.
    """

    bad: dict[tuple[str, int], str]
    """(stage, photo) -> key of `KINDS`."""

    def begin(self, bad: dict[tuple[str, int], str]) -> None:
        self.bad = bad
        self.rows: dict[tuple[str, int], frozenset[int]] = {}
        """Photos that are ok, by stage and committed shard."""
        self.done: set[tuple[str, int, int]] = set()
        self.times: Counter[tuple[str, int]] = Counter()
        """How often a photo has been computed in a stage."""

    def lose_driver(self) -> None:
        """End all tasks, as they do without their driver."""
        self._queue.clear()
        self._running.clear()
        self._ended.clear()

    def _compute(
        self, call: Call, recipe: Recipe, task: ShardTask
    ) -> tuple[float, Callable[[], Any]]:
        stage, shard = recipe.stage, task.shard.index
        if recipe.takes_photos:
            photos = [int(source.version) for source in task.shard.sources]
        else:
            photos = sorted(self.rows[recipe.previous, shard])
        places = list(enumerate(photos))[task.start : task.stop]
        wanted = [photo for place, photo in places if place not in task.quarantined]
        copied = {p for other in task.copy_from for p in self.rows.get((stage, other), ())}
        todo = [p for p in wanted if p not in copied and (stage, shard, p) not in self.done]
        for kind, (_, loss) in KINDS.items():
            if any(self.bad.get((stage, photo)) == kind for photo in todo):
                assert call.timeout_s is not None
                return (call.timeout_s if kind == "endless" else 0.1), raising(loss)

        def end() -> Commit:
            self.times.update((stage, photo) for photo in todo)
            self.done.update((stage, shard, photo) for photo in todo)
            given_up = [kind for kind, _ in task.quarantined.values()]
            commit = Commit(
                stage=stage,
                shard=shard,
                fingerprint=recipe.of_inputs(_inputs(recipe, task.shard)),
                recipe=recipe.fingerprint,
                outputs=fingerprint(recipe.name, wanted),
                inputs=len(wanted) + len(given_up),
                ok=len(wanted),
                failed=len(given_up),
                rows_ok=len(wanted),
                computed=len(todo),
                reasons=dict(Counter(given_up)),
                photos="".join(f"{p + 1:016x}" if p in wanted else NO_PORTRAIT for p in photos)
                if recipe.takes_photos
                else "",
            )
            if task.whole:
                recipe.table().commit(commit, replaces=recipe.table().read_commit(shard))
                self.rows[stage, shard] = frozenset(wanted)
            return commit

        return float(len(todo)), end


def _inputs(recipe: Recipe, shard: Shard) -> str | list[str]:
    if recipe.takes_photos:
        return shard.keys()
    commits = [recipe.upstream(name).read_commit(shard.index) for name in recipe.reads]
    return digest_of_inputs([commit.outputs for commit in commits if commit])


PHOTOS = st.lists(st.integers(0, 7), min_size=1, max_size=3, unique=True)
BAD = st.dictionaries(
    st.tuples(st.sampled_from(CHAIN), st.integers(0, 7)), st.sampled_from(list(KINDS)), max_size=3
)


class Schedules(RuleBasedStateMachine):
    """A job on a machine that does its worst; at the end every row is there, and there once."""

    peace = False

    @initialize(
        shards=st.lists(PHOTOS, min_size=1, max_size=3),
        bad=BAD,
        slots=st.integers(1, 4),
        peace=st.booleans(),
    )
    def begin(self, shards, bad, slots, peace):
        bad = {} if peace else bad
        self.cluster = StoredCluster(slots=slots)
        self.cluster.begin(bad)
        self.photos, self.bad = shards, bad
        self.peace = peace
        *first, style = chain(f"memory://schedules/{uuid.uuid4().hex}")
        self.first, self.style = first, style
        self.start()

    def start(self):
        shards = (
            Shard(i, tuple(Source(uri=f"{p}.png", version=str(p)) for p in photos))
            for i, photos in enumerate(self.photos)
        )
        limits = {"storage_retries": 90, "node_retries": 90, "memory_wait_s": 1800.0}
        self.pipeline = Pipeline(
            self.first,
            [Domain(self.style.domain, self.style, stage=self.style.stage)],
            executor=self.cluster,
            limits=WindowLimits(in_flight=4, **limits),
            resources=dict.fromkeys(CHAIN, StageResources()),
            totals=Totals(),
            clock=self.cluster.clock,
        )
        self.pipeline.start(shards)

    @rule(turns=st.integers(1, 12))
    def time_passes(self, turns):
        for _ in range(turns):
            self.pipeline.turn()

    @precondition(lambda self: not self.peace)
    @rule(fate=st.sampled_from(list(Fate)), count=st.integers(1, 6))
    def tasks_are_lost(self, fate, count):
        self.cluster.fates += [fate] * count

    @precondition(lambda self: not self.peace)
    @rule(delay=st.floats(0, 5), seconds=st.floats(2 * LOOK_S, 60), by_kernel=st.booleans())
    def memory_is_short(self, delay, seconds, by_kernel):
        shortage = Shortage(self.cluster.clock.now + delay, seconds, by_kernel)
        self.cluster.shortages = [*self.cluster.shortages, shortage]

    @precondition(lambda self: not self.peace)
    @rule()
    def driver_is_killed(self):
        self.cluster.lose_driver()
        self.start()

    @rule()
    def same_command_runs_again_after_its_end(self):
        self.finish()
        times = Counter(self.cluster.times)
        self.start()
        self.finish()
        assert self.cluster.times == times
        self.start()

    def finish(self):
        for _ in range(100_000):
            if not self.pipeline.turn():
                break
        else:
            raise AssertionError("the job does not end")
        self.pipeline.finish()

    def teardown(self):
        if not hasattr(self, "pipeline"):
            return
        self.finish()
        for shard, photos in enumerate(self.photos):
            left = list(photos)
            for recipe in (*self.first, self.style):
                commit = recipe.table().read_commit(shard)
                if not left:
                    assert commit is None
                    continue
                kinds = [self.bad[recipe.stage, p] for p in left if (recipe.stage, p) in self.bad]
                assert commit is not None
                assert (commit.inputs, commit.failed) == (len(left), len(kinds))
                assert commit.reasons == Counter(KINDS[kind][0] for kind in kinds)
                left = [p for p in left if (recipe.stage, p) not in self.bad]
                assert self.cluster.rows[recipe.stage, shard] == frozenset(left)
        if self.peace:  # who waits for its repeats computes none of them again
            later = {key: n for key, n in self.cluster.times.items() if key[0] != CHAIN[0]}
            assert set(later.values()) <= {1}


QUICK = settings(
    max_examples=100,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
Schedules.TestCase.settings = QUICK
TestSchedules = Schedules.TestCase


@pytest.mark.slow
@pytest.mark.timeout(1800)  # six minutes of a core that it may have to share
def test_a_thousand_schedules_more():
    from hypothesis.stateful import run_state_machine_as_test

    thousand = settings(QUICK, max_examples=1000, derandomize=True, database=None)
    run_state_machine_as_test(Schedules, settings=thousand)
