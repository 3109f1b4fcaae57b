"""A cluster in its own time: an executor that loses tasks as a schedule says, in milliseconds."""

import heapq
import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from functools import partial
from typing import Any

from itportrait.engine.work import ShardTask, run_shard
from itportrait.execution.causes import (
    ClusterLostError,
    MemoryLostError,
    NodeLostError,
    ProcessLostError,
    TimeLimitError,
)
from itportrait.execution.executor import Call
from itportrait.io.commits import Commit
from itportrait.io.memory import NoRoomError
from itportrait.stages.recipe import Recipe

SHARD_SIZE = 5
LOOK_S = 1.0
"""Time after a loss at which the node's free memory is looked at."""


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


@dataclass(frozen=True)
class Shortage:
    """A time in which somebody else has all the memory.

    Args:
        begin: in simulated seconds; what runs then is ended.
        seconds: how long it lasts.
        by_kernel: the kernel ends tasks, without a word of memory, and not the cluster.
    """

    begin: float
    seconds: float
    by_kernel: bool = False

    def covers(self, now: float) -> bool:
        return self.begin <= now < self.begin + self.seconds

    @property
    def loss(self) -> Exception:
        return _ERRORS[Fate.KILLED_BESIDE_OTHERS if self.by_kernel else Fate.MEMORY]


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
        endless: the same of records whose computation never ends.
        slots: tasks at once.
        shortages: of memory.
        gone_at: when the head of the cluster ends.
    """

    fates: list[Fate] = field(default_factory=list)
    poison: frozenset[tuple[str, int, int]] = frozenset()
    huge: frozenset[tuple[str, int, int]] = frozenset()
    endless: frozenset[tuple[str, int, int]] = frozenset()
    slots: int = 2
    shortages: Sequence[Shortage] = ()
    gone_at: float = float("inf")
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    started: list[Call] = field(default_factory=list)
    most_at_once: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._queue: dict[int, Call] = {}
        self._calls: dict[int, Call] = {}
        self._running: list[tuple[float, int, Callable[[], Any]]] = []
        self._ended: dict[int, Callable[[], Any]] = {}
        self._computed: set[tuple[str, int, int]] = set()
        self._survivors: dict[tuple[str, int], list[int]] = {}
        """Records that are ok by stage and shard; all of them where nothing is committed."""
        self._beside_others: set[int] = set()

    @property
    def is_short(self) -> bool:
        """Tell whether somebody else has all the memory now."""
        return any(shortage.covers(self.clock.now) for shortage in self.shortages)

    def submit(self, call: Call) -> int:
        number = next(self._numbers)
        self._queue[number] = self._calls[number] = call
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
        try:
            return self._ended.pop(task)()
        except (MemoryLostError, ProcessLostError, MemoryError) as loss:
            if self._calls[task].trial:
                self.clock.now += LOOK_S
                if self.is_short:
                    raise NoRoomError("no memory is free after it") from loss
            raise

    def cancel(self, tasks: Collection[int]) -> None:
        for number in list(tasks):
            self._queue.pop(number, None)
            self._running = [entry for entry in self._running if entry[1] != number]
            heapq.heapify(self._running)
            self._ended[number] = raising(ProcessLostError("cancelled"))

    def _begin(self) -> None:
        while self._queue and len(self._running) < self.slots:
            number = next(iter(self._queue))
            call = self._queue.pop(number)
            self.started.append(call)
            others = {entry[1] for entry in self._running}
            if others:
                self._beside_others |= {number, *others}
            seconds, end = self._cut_short(*self._outcome(number, call))
            heapq.heappush(self._running, (self.clock.now + seconds, number, end))
            self.most_at_once.append((self.clock.now, len(self._running)))

    def _outcome(self, number: int, call: Call) -> tuple[float, Callable[[], Any]]:
        for shortage in self.shortages:
            if shortage.covers(self.clock.now):
                if call.room is not None:
                    return 0.01, raising(NoRoomError("no memory is free"))
                return 0.1, raising(shortage.loss)
        fate = self.fates.pop(0) if self.fates else Fate.PEACE
        if fate in (Fate.NODE, Fate.STORAGE):
            return 0.1, raising(_ERRORS[fate])
        if call.function is run_shard:
            seconds, compute = self._compute(call, *call.args)
        else:
            seconds, compute = 1.0, partial(call.function, *call.args)

        def end() -> Commit:
            # With memory to spare and nothing beside it, none of this happens to a task.
            if fate in _ERRORS and (number in self._beside_others or call.room is None):
                raise _ERRORS[fate]
            return compute()

        return seconds, end

    def _cut_short(self, seconds: float, end: Callable[[], Any]) -> tuple[float, Callable[[], Any]]:
        """End a task in the middle if a shortage begins while it runs."""
        now = self.clock.now
        begins = [s for s in self.shortages if now < s.begin < now + seconds]
        if not begins:
            return seconds, end
        first = min(begins, key=lambda shortage: shortage.begin)
        return first.begin - now, raising(first.loss)

    def _compute(
        self, call: Call, recipe: Recipe, task: ShardTask
    ) -> tuple[float, Callable[[], Any]]:
        items = self.items(recipe, task)
        todo = [item for item in items if item not in self._computed]
        if any(item in self.huge for item in todo):
            return 0.1, raising(MemoryLostError("the node runs low on memory"))
        if any(item in self.poison for item in todo):
            return 0.1, raising(ProcessLostError("the process ended"))
        if any(item in self.endless for item in todo):
            assert call.timeout_s is not None
            return call.timeout_s, raising(TimeLimitError("it ran past its time limit"))

        def end() -> Commit:
            self._computed.update(todo)
            if task.whole:
                self._survivors[recipe.stage, task.shard.index] = [at for *_, at in items]
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
        """Return the records of a task by stage, shard and place among the photos."""
        known = (recipe.previous, task.shard.index)
        reached = self._survivors.get(known, list(range(SHARD_SIZE)))
        return [
            (recipe.stage, task.shard.index, at)
            for position, at in list(enumerate(reached))[task.start : task.stop]
            if position not in task.quarantined
        ]


def raising(error: Exception) -> Callable[[], Any]:
    def end() -> Commit:
        raise error

    return end
