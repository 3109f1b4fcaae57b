"""The window: a bounded number of shard tasks in flight, each shard chained through the stages.

There is no barrier between stages. What ends a task decides what follows: flaky storage is tried
again after a pause; a task that was lost to memory, or with its node, is tried again with less
beside it; a lost process is tried again, and then split until the record that ends it stands alone.
That record is then tried while nothing else runs and memory is
free, and quarantined only once such trials, with memory free after them as well, have ended in the
same way more than once. What no retry can mend ends the job.
"""

import heapq
import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from itportrait.engine.pieces import Piece, StageResources
from itportrait.engine.poison_search import (
    Search,
    list_searches,
    put_search,
    read_search,
    search_target,
)
from itportrait.engine.verdicts import ALONE, MEMORY_LOST, PROCESS_LOST, TIMED_OUT
from itportrait.errors import ItportraitError, OutputError
from itportrait.execution.causes import STORAGE_ERRORS, Cause, judge
from itportrait.execution.executor import SYSTEM_CLOCK, Clock, Executor
from itportrait.execution.governor import ROOM, ROOM_TO_SPARE, Governor
from itportrait.io import uris
from itportrait.io.commits import Commit
from itportrait.stages.items import UpstreamDamagedError
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard

_VERDICTS = {Cause.MEMORY: MEMORY_LOST, Cause.TIME: TIMED_OUT, Cause.CRASH: PROCESS_LOST}
_LOSSES = {
    Cause.MEMORY: "it ran out of memory",
    Cause.TIME: "it ran past its time limit",
    Cause.CRASH: "its process was lost",
}
_FINAL_RETRIES = 3
_FEWEST_TRIALS = 2
"""Smallest number of trials of a record that must end in the same way, whatever `crash_retries`
says."""
_LONGEST_PAUSE_S = 60.0
_MEMORY_RETRIES = 2
"""Number of losses to memory of a piece beside others, after which it runs alone."""


@dataclass(frozen=True)
class WindowLimits:
    """How much is in flight, and how often failed pieces are repeated.

    Args:
        in_flight: tasks submitted and not yet ended.
        storage_retries: further tries after storage failed, with a pause that doubles.
        crash_retries: further tries of a shard (and further trials of a record) whose process died,
            before it is split (or quarantined, after two trials at least).
        node_retries: further tries of a task whose node was lost, with a pause that doubles.
        memory_wait_s: seconds to wait for free memory while nothing can run.
        backoff_s: first pause.
        in_process: tasks run in this very process with nothing beside them. What lacks memory is
            then split at once, since trying it again with less beside it would change nothing.
        lost_after_s: seconds past a task's own time-out after which it is cancelled from here: its
            node hangs. Counted from its submission.
    """

    in_flight: int = 4
    storage_retries: int = 6
    crash_retries: int = 1
    node_retries: int = 8
    memory_wait_s: float = 900.0
    backoff_s: float = 0.5
    in_process: bool = False
    lost_after_s: float = 1800.0


class Window:
    """Runs pieces until none is left.

    Args:
        executor: what runs the tasks.
        limits: bounds and retries.
        resources: by stage.
        on_commit: called with recipe, shard and commit of every shard that got committed.
        on_damaged: called when a shard found what an earlier stage committed missing or damaged.
        on_event: called with a sentence for people about a retry, a split, a quarantine.
        clock: time.
    """

    def __init__(
        self,
        executor: Executor,
        limits: WindowLimits,
        resources: dict[str, StageResources],
        *,
        on_commit: Callable[[Recipe, Shard, Commit], None],
        on_damaged: Callable[[Recipe, Shard, UpstreamDamagedError], None],
        on_event: Callable[[str], None] = lambda text: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.executor, self.clock = executor, clock
        self.limits, self.resources = limits, resources
        self.on_commit, self.on_damaged, self.on_event = on_commit, on_damaged, on_event
        self.governor = Governor(limits.in_flight, patience_s=limits.memory_wait_s, clock=clock)
        self._live: dict[Hashable, Piece] = {}
        self._ready: list[tuple[int, int, Piece]] = []
        self._paused: list[tuple[float, int, Piece]] = []
        self._suspects: list[Piece] = []
        """Run alone, one after the other, once nothing else is left or there are many."""
        self._trying = False
        """The suspects' turn has come, until none is left."""
        self._searched: dict[str, frozenset[int]] = {}
        self._order = itertools.count()

    def add(
        self,
        recipe: Recipe,
        shard: Shard,
        items: int,
        inputs: str | list[str],
        copy_from: tuple[int, ...] = (),
    ) -> None:
        """Queue a shard of a stage; later stages go first, so that shards leave the window.

        Args:
            recipe: of the stage.
            shard: number, and for a stage that takes photos the sources.
            items: how many inputs of the stage it has.
            inputs: their digest; a search that an earlier driver left goes on if it is the same.
            copy_from: shards of the stage whose rows are copied where they are the same.
        """
        search = self._search_of(recipe, shard, search_target(recipe, inputs), items)
        self._push_open(recipe, shard, search, copy_from)

    def __len__(self) -> int:
        """Return how many pieces are in flight, ready, paused, or to be run alone."""
        return self._moving + len(self._suspects)

    @property
    def _moving(self) -> int:
        return len(self._live) + len(self._ready) + len(self._paused)

    @property
    def has_room(self) -> bool:
        """Tell whether a new shard may be taken in."""
        return not self._trying and self._moving < self.limits.in_flight

    def in_flight(self) -> dict[str, int]:
        """Return the number of submitted pieces by recipe name."""
        counts: dict[str, int] = {}
        for piece in self._live.values():
            counts[piece.recipe.name] = counts.get(piece.recipe.name, 0) + 1
        return counts

    def step(self, timeout_s: float = 0.5, *, quiet: bool = True) -> None:
        """Submit what fits, wait for one end (or the time-out), and settle what ended.

        Args:
            timeout_s: longest wait.
            quiet: nothing outside of the window (an adaptation, say) loads the nodes, so that
                pieces that must run alone may run.

        Raises:
            ItportraitError: what no retry can mend.
        """
        self._submit(quiet)
        if not self._live:
            self.executor.wait([], self._idle_s(timeout_s))
            return
        task = self.executor.wait(self._live.keys(), timeout_s)
        if task is not None:
            piece = self._live.pop(task)
            try:
                commit = self.executor.result(task)
            except Exception as error:
                self._failed(piece, error)
            else:
                self._succeeded(piece, commit)
        self._cancel_lost()

    def cancel(self) -> None:
        """End all tasks in flight; what they have committed stays."""
        self.executor.cancel(self._live.keys())
        self._live.clear()
        self._ready.clear()
        self._paused.clear()
        self._suspects.clear()

    def _push(self, piece: Piece) -> None:
        if piece.alone:
            self._suspects.append(piece)
            return
        priority = -len(piece.recipe.before)
        heapq.heappush(self._ready, (priority, next(self._order), piece))

    def _idle_s(self, timeout_s: float) -> float:
        """Return how long to sleep while nothing is in flight."""
        if self.governor.pause_s:
            return min(timeout_s, self.governor.pause_s)
        if self._paused:
            return min(timeout_s, max(self._paused[0][0] - self.clock.monotonic(), 0.0))
        return timeout_s

    def _submit(self, quiet: bool) -> None:
        now = self.clock.monotonic()
        while self._paused and self._paused[0][0] <= now:
            self._push(heapq.heappop(self._paused)[2])
        if self.governor.pause_s or any(piece.alone for piece in self._live.values()):
            return
        many = len(self._suspects) >= self.limits.in_flight
        begin = self._trying or many or not self._moving
        self._trying = bool(self._suspects) and quiet and begin
        if self._trying:
            if not self._live:
                self._start(self._suspects.pop(0))
            return
        while self._ready and len(self._live) < self.governor.limit:
            self._start(heapq.heappop(self._ready)[2])

    def _start(self, piece: Piece) -> None:
        room = ROOM if self.governor.strained else None
        call = piece.call(
            self.resources[piece.recipe.stage], ROOM_TO_SPARE if piece.alone else room
        )
        piece.submitted, piece.cancelled = self.clock.monotonic(), False
        self._live[self.executor.submit(call)] = piece

    def _succeeded(self, piece: Piece, commit: Commit) -> None:
        self.governor.ended_well()
        if piece.whole:
            self.on_commit(piece.recipe, piece.shard, commit)
        else:
            piece.search.close(piece.start, piece.stop)
            self._put_together(piece)

    def _failed(self, piece: Piece, error: Exception) -> None:
        cause = judge(error)
        if cause is Cause.NO_ROOM:
            self._no_room(piece, error)
        elif cause is Cause.MEMORY and not (piece.alone or self.limits.in_process):
            self._lost_to_memory(piece, error)
        elif cause in _VERDICTS:
            self._lost(piece, error, cause)
        elif cause is Cause.NODE:
            self._lost_with_node(piece, error)
        elif isinstance(error, UpstreamDamagedError):
            self.on_damaged(piece.recipe, piece.shard, error)
        elif cause is Cause.STORAGE:
            self._storage_failed(piece, error)
        elif isinstance(error, ItportraitError):
            raise error
        else:
            raise ItportraitError(
                f"{piece.recipe.name}, shard {piece.shard.index}: {type(error).__name__}: "
                f"{uris.redact(str(error))}"
            ) from error

    def _no_room(self, piece: Piece, error: Exception) -> None:
        pause = self.governor.no_room(str(error))
        self._say(piece, f"waits {pause:g} s for memory ({error})")
        self._push(piece)

    def _lost_to_memory(self, piece: Piece, error: Exception) -> None:
        """Repeat a piece with less beside it, and at last alone; the loss says nothing about its
        records."""
        piece.memory_losses += 1
        piece.alone = piece.memory_losses > _MEMORY_RETRIES
        pause = self.governor.lost(len(self._live) + 1)
        self._say(
            piece,
            f"lost to memory; again in {pause:g} s, with {self.governor.limit} in flight ({error})",
        )
        self._push(piece)

    def _lost_with_node(self, piece: Piece, error: Exception) -> None:
        piece.node_losses += 1
        if piece.node_losses > self.limits.node_retries:
            raise ItportraitError(
                f"{piece.recipe.name}, shard {piece.shard.index}: {piece.node_losses} nodes were "
                f"lost while they worked on it ({error}); what is committed stays: look at the "
                "nodes, and the same command goes on from it"
            ) from error
        self._pause(piece, piece.node_losses, f"its node was lost ({error})")

    def _storage_failed(self, piece: Piece, cause: Exception) -> None:
        piece.storage_failures += 1
        if piece.storage_failures > self.limits.storage_retries:
            raise OutputError(
                f"storage of {uris.redact(piece.recipe.output)} failed "
                f"{piece.storage_failures} times in {piece.recipe.name}, shard "
                f"{piece.shard.index}: {uris.redact(str(cause))}; earlier commits stay valid"
            ) from cause
        self._pause(piece, piece.storage_failures, f"storage failed ({cause})")

    def _pause(self, piece: Piece, times: int, reason: str) -> None:
        pause = min(self.limits.backoff_s * 2 ** (times - 1), _LONGEST_PAUSE_S)
        self._say(piece, f"{reason}; again in {pause:g} s")
        entry = (self.clock.monotonic() + pause, next(self._order), piece)
        heapq.heappush(self._paused, entry)

    def _lost(self, piece: Piece, error: Exception, cause: Cause) -> None:
        """Settle a piece that its process was lost with, or that ran out of memory alone."""
        search, retries, alone = piece.search, self.limits.crash_retries, piece.alone
        self.governor.had_room()
        if search.over:
            # Its records have been computed: whatever ended it now is another fault.
            piece.final_crashes += 1
            if alone and piece.final_crashes > max(retries, _FINAL_RETRIES):
                raise ItportraitError(self._cannot_be_put_together(piece, error, cause)) from error
            piece.alone = True
            self._again(piece, error, cause)
            return
        if piece.items <= 1 and alone:
            self._tried(piece, error, cause)
        else:
            self._suspect(piece, error, cause)
        self._keep(piece)
        if search.over:
            self._put_together(piece)

    def _suspect(self, piece: Piece, error: Exception, cause: Cause) -> None:
        """Run a piece again, or look in its halves for what ends it; a record of its own alone."""
        crashes = piece.search.count_crash(piece.start, piece.stop)
        single = piece.items <= 1
        if single or (piece.whole and crashes <= self.limits.crash_retries):
            piece.alone = single or piece.alone
            self._again(piece, error, cause)
            return
        self._say(piece, f"{_LOSSES[cause]}; looking for the record that is the reason")
        # Halves of what needs too much memory would be lost to it beside others, too.
        for half in piece.halves(alone=cause is Cause.MEMORY):
            self._push(half)

    def _tried(self, piece: Piece, error: Exception, cause: Cause) -> None:
        """Count the trial of a record; quarantine it once enough have ended in the same way."""
        kind = _VERDICTS[cause]
        trials = piece.search.count_trial(piece.start, kind)
        if trials < max(self.limits.crash_retries + 1, _FEWEST_TRIALS):
            self._again(piece, error, cause)
            return
        reason = {
            MEMORY_LOST: f"it needs more memory than {self._machine} has",
            TIMED_OUT: f"it ran past {piece.time_limit_s:g} s",
            PROCESS_LOST: f"it ended that process {trials} times",
        }[kind]
        self._say(piece, f"record {piece.start} is quarantined ({kind})")
        piece.search.quarantine(piece.start, kind, f"{ALONE} {reason} ({error})")

    def _again(self, piece: Piece, error: Exception, cause: Cause) -> None:
        self._say(piece, f"{_LOSSES[cause]} ({error}); again")
        self._push(piece)

    def _put_together(self, piece: Piece) -> None:
        """Queue the whole shard once nothing of it is open."""
        if piece.search.over:
            self._push_open(piece.recipe, piece.shard, piece.search, piece.copy_from)

    def _push_open(
        self, recipe: Recipe, shard: Shard, search: Search, copy_from: tuple[int, ...]
    ) -> None:
        """Queue what is still to be computed of a shard; with nothing open, the shard itself."""
        for (start, stop), crashes in (search.ranges or {(0, search.items): 0}).items():
            alone = crashes > 0 and stop - start == 1
            self._push(Piece(recipe, shard, search, start, stop, copy_from, alone))

    def _search_of(self, recipe: Recipe, shard: Shard, target: str, items: int) -> Search:
        """Return the search that an earlier driver left of a shard, or a new one."""
        try:
            if recipe.name not in self._searched:
                self._searched[recipe.name] = list_searches(recipe)
            if shard.index in self._searched[recipe.name]:
                found = read_search(recipe, shard.index, target)
                if found is not None:
                    self.on_event(f"{recipe.name}, shard {shard.index}: its search goes on")
                    return found
        except STORAGE_ERRORS as error:
            self.on_event(f"{recipe.name}: searches cannot be read: {uris.redact(str(error))}")
        return Search.begin(target, items)

    def _keep(self, piece: Piece) -> None:
        """Write the search down for the driver that comes after this one."""
        try:
            put_search(piece.recipe, piece.shard.index, piece.search)
        except STORAGE_ERRORS as error:
            self._say(piece, f"its search is not kept: {error}")

    def _cancel_lost(self) -> None:
        now = self.clock.monotonic()
        for task, piece in self._live.items():
            limit = piece.time_limit_s * (1 + self.limits.in_flight) + self.limits.lost_after_s
            if not piece.cancelled and now - piece.submitted > limit:
                piece.cancelled = True
                self._say(piece, f"nothing heard for {limit:g} s; cancelled")
                self.executor.cancel([task])

    def _say(self, piece: Piece, text: str) -> None:
        self.on_event(uris.redact(f"{piece}: {text}"))

    def _cannot_be_put_together(self, piece: Piece, error: Exception, cause: Cause) -> str:
        where = f"{piece.recipe.name}, shard {piece.shard.index}"
        if cause is Cause.MEMORY:
            return (
                f"{where}: its {piece.items} records are computed, but {self._machine} has not the "
                f"memory to write them as one file ({error}); use a smaller ingest.shard_size"
            )
        return f"{where}: its process ends even without the records that ended it before: {error}"

    @property
    def _machine(self) -> str:
        """Return what people call the place where tasks run."""
        return "this machine" if self.limits.in_process else "a node"
