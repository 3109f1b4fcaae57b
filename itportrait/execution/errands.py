"""Errands: single calls, such as pages and files, that are run with the patience of the stages.

What is lost to memory or with a node is run again, with less beside it; what crashes or fails in
storage again and again is given up, and its caller is told.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from itportrait.errors import ItportraitError
from itportrait.execution.causes import Cause, judge
from itportrait.execution.executor import SYSTEM_CLOCK, Call, Clock, Executor
from itportrait.execution.governor import ROOM, ROOM_TO_SPARE, Governor
from itportrait.io import uris

_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class ErrandLimits:
    """How much is in flight, and how often failed calls are repeated.

    Args:
        in_flight: calls submitted and not yet ended.
        crash_retries: further tries of a call whose process died.
        storage_retries: further tries after storage failed.
        node_retries: further tries of a call whose node was lost.
        memory_wait_s: seconds to wait for free memory while nothing can run.
        backoff_s: first pause; it doubles.
    """

    in_flight: int = 1
    crash_retries: int = 2
    storage_retries: int = 2
    node_retries: int = 8
    memory_wait_s: float = 900.0
    backoff_s: float = 0.5


@dataclass(frozen=True)
class GivenUp:
    """A call that was given up, and the last error that ended it."""

    cause: Cause
    error: Exception


@dataclass
class _Errand:
    key: Any
    call: Call
    losses: dict[Cause, int]
    not_before: float = 0.0
    alone: bool = False


class Errands:
    """Runs calls until none is left.

    Args:
        executor: what runs them.
        limits: bounds and retries.
        on_event: called with a sentence for people about a retry.
        clock: time.
    """

    def __init__(
        self,
        executor: Executor,
        limits: ErrandLimits = ErrandLimits(),
        *,
        on_event: Callable[[str], None] = lambda text: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.executor, self.limits = executor, limits
        self.on_event, self.clock = on_event, clock
        self.governor = Governor(limits.in_flight, patience_s=limits.memory_wait_s, clock=clock)
        self._live: dict[Hashable, _Errand] = {}
        self._waiting: list[_Errand] = []

    def run(
        self, calls: Iterable[tuple[Any, Call]], check: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[Any, Any]]:
        """Yield the key of each call with its result, or `GivenUp`, as they end.

        Args:
            calls: key and call; taken from the stream as there is room.
            check: called at every turn; raises to stop.

        Raises:
            ItportraitError: what no retry can mend.
        """
        source = iter(calls)
        listing = True
        try:
            while listing or self._live or self._waiting:
                while listing and len(self._live) + len(self._waiting) < self.limits.in_flight:
                    pair = next(source, None)
                    listing = pair is not None
                    if pair is not None:
                        self._waiting.append(_Errand(*pair, losses={}))
                self._submit()
                yield from self._step(0.5)
                check()
        except SystemExit:
            raise  # this process ends within seconds, and its tasks with it
        except BaseException:
            self.executor.cancel(self._live.keys())
            raise

    def _submit(self) -> None:
        if self.governor.pause_s or any(errand.alone for errand in self._live.values()):
            return
        now = self.clock.monotonic()
        for errand in list(self._waiting):
            if len(self._live) >= self.governor.limit or (errand.alone and self._live):
                return
            if errand.not_before > now:
                continue
            room = ROOM if self.governor.strained else None
            room = ROOM_TO_SPARE if errand.alone else room
            call = replace(errand.call, room=room, trial=errand.alone)
            self._waiting.remove(errand)
            self._live[self.executor.submit(call)] = errand
            if errand.alone:
                return

    def _step(self, timeout_s: float) -> Iterator[tuple[Any, Any]]:
        if not self._live:
            if self._waiting:
                self.executor.wait([], timeout_s)
            return
        task = self.executor.wait(self._live.keys(), timeout_s)
        if task is None:
            return
        errand = self._live.pop(task)
        try:
            result = self.executor.result(task)
        except Exception as error:
            given_up = self._failed(errand, error)
            if given_up is not None:
                yield errand.key, given_up
        else:
            self.governor.ended_well()
            yield errand.key, result

    def _failed(self, errand: _Errand, error: Exception) -> GivenUp | None:
        cause = judge(error)
        limits = {
            Cause.CRASH: self.limits.crash_retries,
            Cause.TIME: self.limits.crash_retries,
            Cause.MEMORY: self.limits.crash_retries + 1,
            Cause.STORAGE: self.limits.storage_retries,
            Cause.NODE: self.limits.node_retries,
        }
        if cause is Cause.NO_ROOM:
            self.governor.no_room(str(error))
        elif cause not in limits:
            raise error
        else:
            times = errand.losses[cause] = errand.losses.get(cause, 0) + 1
            if times > limits[cause] and (errand.alone or cause in (Cause.STORAGE, Cause.NODE)):
                return GivenUp(cause, error)
            # The last try of what may be its own fault is made while nothing else runs.
            own = cause in (Cause.CRASH, Cause.TIME, Cause.MEMORY)
            errand.alone = errand.alone or (own and times >= limits[cause])
            if cause is Cause.MEMORY and not errand.alone:
                self.governor.lost(len(self._live) + 1)
            pause = min(self.limits.backoff_s * 2 ** (times - 1), _LONGEST_PAUSE_S)
            errand.not_before = self.clock.monotonic() + pause
        self.on_event(uris.redact(f"{errand.call.name}: {error}; again"))
        self._waiting.append(errand)
        return None


def run_patiently(executor: Executor, call: Call, *, clock: Clock = SYSTEM_CLOCK) -> Any:
    """Run one call and return its result.

    Raises:
        ItportraitError: it was lost again and again, with the reason; or what the call raised.
        OSError: storage failed again and again.
    """
    ((_, result),) = Errands(executor, clock=clock).run([(None, call)])
    if not isinstance(result, GivenUp):
        return result
    if result.cause is Cause.STORAGE:
        raise result.error
    raise ItportraitError(
        f"{call.name} could not be made: its process was lost again and again "
        f"({uris.redact(str(result.error))}); what is committed stays, and the same command goes "
        "on from it"
    ) from result.error
