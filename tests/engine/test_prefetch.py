"""A machine with cores and a GPU: photos are aligned ahead, so that it never waits for them."""

import heapq
import itertools
import uuid

import pytest

from itportrait.engine.pieces import StageResources
from itportrait.engine.window import WindowLimits
from itportrait.io.commits import Commit
from itportrait.records import Source
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard
from tests.engine.fake_engine import engine
from tests.engine.fake_stages import chain
from tests.engine.simulated import SimulatedClock

ALIGN, INVERT, STYLIZE = CHAIN
CORES, SHARDS = 16, 120
GPU_S = {INVERT: 1.6, STYLIZE: 0.4}
"""Seconds of the GPU for a shard."""
CPU_S = {INVERT: 0.1, STYLIZE: 0.3}
"""Seconds for a shard's pixels, before and after the GPU's work."""
START_S = 0.02
"""Seconds until a task that has its resources begins."""
LOAD_S, CALLS = 1.0, 16
"""Seconds in which a process on a GPU loads its models, and the calls after which it ends."""


class Machine:
    """An executor with the cores and the GPU of one machine, in its own time.

    A core that is free goes to tasks that need one before it goes to tasks on the GPU, as Ray hands
    a worker from one task to the next of its kind.

    Args:
        align_s: seconds in which a core aligns a shard.
    """

    def __init__(self, align_s: float) -> None:
        self.clock, self.align_s = SimulatedClock(), align_s
        self.cpus, self.gpus = float(CORES), 1.0
        self.spans: list[tuple[float, float]] = []
        self._numbers = itertools.count()
        self._queue, self._running, self._ended = {}, [], {}
        self._gpu_free_at, self._gpu_calls = 0.0, 0

    def submit(self, call) -> int:
        number = next(self._numbers)
        self._queue[number] = call
        return number

    def wait(self, tasks, timeout_s):
        self._begin()
        deadline = self.clock.now + timeout_s
        if not tasks or not self._running or self._running[0][0] > deadline:
            self.clock.now = deadline
            return None
        self.clock.now, number, call = heapq.heappop(self._running)
        self.cpus, self.gpus = self.cpus + call.num_cpus, self.gpus + call.num_gpus
        self._ended[number] = call
        self._begin()
        return number

    def result(self, task) -> Commit:
        recipe, work = self._ended.pop(task).args
        return Commit(
            stage=recipe.stage,
            shard=work.shard.index,
            fingerprint="",
            recipe="",
            outputs="o",
            inputs=1,
            ok=1,
            rows_ok=1,
        )

    def cancel(self, tasks) -> None:
        pytest.fail("nothing is cancelled")

    def _begin(self) -> None:
        for number, call in sorted(self._queue.items(), key=lambda item: item[1].num_gpus > 0):
            if call.num_cpus <= self.cpus and call.num_gpus <= self.gpus:
                del self._queue[number]
                self.cpus, self.gpus = self.cpus - call.num_cpus, self.gpus - call.num_gpus
                end = self._end_of(call.args[0].stage)
                heapq.heappush(self._running, (end, number, call))

    def _end_of(self, stage: str) -> float:
        begin = self.clock.now + START_S
        if stage == ALIGN:
            return begin + self.align_s
        if self._gpu_calls % CALLS == 0:
            begin += LOAD_S
        self._gpu_calls += 1
        began = max(begin + CPU_S[stage] / 2, self._gpu_free_at)
        self._gpu_free_at = began + GPU_S[stage]
        self.spans.append((began, self._gpu_free_at))
        return self._gpu_free_at + CPU_S[stage] / 2

    @property
    def used(self) -> float:
        """The share of the GPU's time that is used, from its first work to its last."""
        busy = sum(end - began for began, end in self.spans)
        return busy / (max(end for _, end in self.spans) - self.spans[0][0])


def run(load: float, share: float, on_gpu: type[StageResources] = StageResources) -> Machine:
    """Run a job whose aligning takes `load` of the cores at the GPU's speed."""
    machine = Machine(load * CORES * sum(GPU_S.values()))
    of_gpu = on_gpu(1.0, share)
    engine(
        chain(f"memory://prefetch/{uuid.uuid4().hex}"),
        executor=machine,
        limits=WindowLimits(in_flight=2 * CORES),
        resources={ALIGN: StageResources(1.0), INVERT: of_gpu, STYLIZE: of_gpu},
        clock=machine.clock,
    ).run(Shard(index, (Source(uri=f"{index}.png"),)) for index in range(SHARDS))
    assert len(machine.spans) == 2 * SHARDS
    return machine


@pytest.mark.parametrize("load", [0.1, 0.9])
def test_a_gpu_is_used_while_all_cores_align(load):
    assert run(load, 0.5).used >= 0.95


def test_one_task_on_a_gpu_leaves_it_idle_while_pixels_are_read_and_written():
    assert run(0.1, 1.0).used < 0.85


class Reserving(StageResources):
    """Resources of tasks on a GPU that wait for a core, too."""

    reserved_cpus = 1.0


def test_tasks_on_a_gpu_that_waited_for_cores_would_leave_it_idle():
    assert run(0.9, 0.5, Reserving).used < 0.85


def test_a_task_that_waits_for_no_core_says_its_threads():
    assert (StageResources(2.0, 0.5).threads, StageResources(0.5, 0.5).threads) == (2, 1)
    assert StageResources(2.0).threads == 0
