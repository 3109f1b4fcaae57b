"""A cluster in its own time: an executor that loses tasks as a schedule says, in milliseconds."""

import heapq
import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum, auto
from functools import partial
from typing import Any

from itportrait.distributed.causes import (
    ClusterLostError,
    MemoryLostError,
    NodeLostError,
    ProcessLostError,
)
from itportrait.distributed.executor import Call
from itportrait.distributed.recipes import Recipe
from itportrait.distributed.work import ShardTask, run_shard
from itportrait.io.commits import Commit
from itportrait.io.memory import NoRoomError

SHARD_SIZE = 5


class Fate(StrEnum):
    """What happens to the machine under a task; its records are not to blame."""

    PEACE = auto()
    MEMORY = auto()
    KILLED_BESIDE_OTHERS = auto()
    NODE = auto()
    PYTHON_MEMORY = auto()
    STORAGE = auto()


_ERRORS = {
    Fate.MEMORY: MemoryLostError("the node runs low on memory"),
    Fate.KILLED_BESIDE_OTHERS: ProcessLostError("the kernel ended it for the memory of others"),
    Fate.NODE: NodeLostError("the node is gone"),
    Fate.PYTHON_MEMORY: MemoryError("no memory for an array"),
    Fate.STORAGE: ConnectionError("the storage hung up"),
}


class SimulatedClock:
    """Time that passes when somebody waits for it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class SimulatedCluster:
    """An executor whose tasks take a second for each record that is not computed yet.

    Args:
        fates: of the tasks, in the order of their start, as long as there are some.
        poison: (stage, shard, position) of records that end every process that computes them.
        huge: the same of records that need more memory than a node has.
        slots: tasks at once.
        short: (from, until) in simulated seconds: no memory is free, and what runs is ended.
        gone_at: when the head of the cluster ends.
    """

    fates: list[Fate] = field(default_factory=list)
    poison: frozenset[tuple[str, int, int]] = frozenset()
    huge: frozenset[tuple[str, int, int]] = frozenset()
    slots: int = 2
    short: tuple[float, float] = (0.0, 0.0)
    gone_at: float = float("inf")
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    started: list[Call] = field(default_factory=list)
    most_at_once: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._queue: dict[int, Call] = {}
        self._running: list[tuple[float, int, Callable[[], Any]]] = []
        self._ended: dict[int, Callable[[], Any]] = {}
        self._computed: set[tuple[str, int, int]] = set()
        self._beside_others: set[int] = set()

    def submit(self, call: Call) -> int:
        number = next(self._numbers)
        self._queue[number] = call
        self._begin()
        return number

    def wait(self, tasks: Collection[int], timeout_s: float) -> int | None:
        if self.clock.now >= self.gone_at:
            raise ClusterLostError("the head of the cluster is gone")
        deadline = self.clock.now + timeout_s
        while not tasks or not self._ended:
            self._begin()
            if not tasks or not self._running or self._running[0][0] > deadline:
                self.clock.now = max(deadline, self.clock.now + 0.001)
                return None
            when, number, end = heapq.heappop(self._running)
            self.clock.now = max(when, self.clock.now)
            self._ended[number] = end
        return next(iter(self._ended))

    def result(self, task: int) -> Any:
        return self._ended.pop(task)()

    def cancel(self, tasks: Collection[int]) -> None:
        for number in list(tasks):
            self._queue.pop(number, None)
            self._running = [entry for entry in self._running if entry[1] != number]
            heapq.heapify(self._running)
            self._ended[number] = _raising(ProcessLostError("cancelled"))

    def _begin(self) -> None:
        while self._queue and len(self._running) < self.slots:
            number = next(iter(self._queue))
            call = self._queue.pop(number)
            self.started.append(call)
            others = {entry[1] for entry in self._running}
            if others:
                self._beside_others |= {number, *others}
            seconds, end = self._outcome(number, call)
            heapq.heappush(self._running, (self.clock.now + seconds, number, end))
            self.most_at_once.append((self.clock.now, len(self._running)))

    def _outcome(self, number: int, call: Call) -> tuple[float, Callable[[], Any]]:
        start, until = self.short
        if start <= self.clock.now < until:
            if call.room is not None:
                return 0.01, _raising(NoRoomError("no memory is free"))
            return 0.1, _raising(MemoryLostError("the node runs low on memory"))
        fate = self.fates.pop(0) if self.fates else Fate.PEACE
        if fate in (Fate.NODE, Fate.STORAGE):
            return 0.1, _raising(_ERRORS[fate])
        if call.function is run_shard:
            seconds, compute = self._compute(*call.args)
        else:
            seconds, compute = 1.0, partial(call.function, *call.args)

        def end() -> Commit:
            # With memory to spare and nothing beside it, none of this happens to a task.
            if fate in _ERRORS and (number in self._beside_others or call.room is None):
                raise _ERRORS[fate]
            return compute()

        return seconds, end

    def _compute(self, recipe: Recipe, task: ShardTask) -> tuple[float, Callable[[], Any]]:
        items = self.items(recipe, task)
        todo = [item for item in items if item not in self._computed]
        if any(item in self.huge for item in todo):
            return 0.1, _raising(MemoryLostError("the node runs low on memory"))
        if any(item in self.poison for item in todo):
            return 0.1, _raising(ProcessLostError("the process ended"))

        def end() -> Commit:
            self._computed.update(todo)
            given_up = [kind for kind, _ in task.quarantined.values()]
            return Commit(
                stage=recipe.stage,
                shard=task.shard.index,
                fingerprint="",
                recipe="",
                outputs="o",
                inputs=len(items) + len(given_up),
                ok=len(items),
                failed=len(given_up),
                rows_ok=len(items),
                reasons={kind: given_up.count(kind) for kind in given_up},
            )

        return float(len(todo)), end

    def items(self, recipe: Recipe, task: ShardTask) -> list[tuple[str, int, int]]:
        stop = SHARD_SIZE if task.stop is None else task.stop
        return [
            (recipe.stage, task.shard.index, at)
            for at in range(task.start, stop)
            if at not in task.quarantined
        ]


def _raising(error: Exception) -> Callable[[], Any]:
    def end() -> Commit:
        raise error

    return end
