"""The window: a bounded number of shard tasks in flight, each shard chained through the stages.

align -> invert -> stylize per domain, with no barrier in between. What ends a task decides what
follows: flaky storage is tried again after a pause, a lost process is tried again and then split
until the poison record stands alone and is quarantined, and what no retry can mend ends the job.
"""

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import ray
from ray import exceptions as ray_errors

from itportrait.distributed.recipes import ALIGN, INVERT, STYLIZE, Recipe
from itportrait.distributed.search import (
    Search,
    list_searches,
    put_search,
    read_search,
    search_target,
)
from itportrait.distributed.shards import Shard
from itportrait.distributed.tasks import submit, unwrap
from itportrait.distributed.work import ShardTask, UpstreamDamagedError
from itportrait.errors import ItportraitError, OutputError
from itportrait.io import uris
from itportrait.io.commits import Commit

_PRIORITY = {STYLIZE: 0, INVERT: 1, ALIGN: 2}
_FINAL_RETRIES = 3
_ARRIVAL_S = 0.5
"""Until a task just submitted has reached its worker: cancelled on its way, its reply aborts this
process within Ray ("Tried to complete task that was not pending", one stop in fourteen)."""
_STORAGE = (OSError, ConnectionError, TimeoutError)
_LOST = (
    ray_errors.WorkerCrashedError,
    ray_errors.OutOfMemoryError,
    ray_errors.NodeDiedError,
    ray_errors.ObjectLostError,
    ray_errors.LocalRayletDiedError,
    ray_errors.TaskCancelledError,
    MemoryError,
)


@dataclass(frozen=True)
class StageResources:
    """What a task of a stage takes of the cluster."""

    num_cpus: float = 1.0
    num_gpus: float = 0.0


@dataclass(frozen=True)
class WindowLimits:
    """How much is in flight, and how often what is tried again.

    Args:
        in_flight: tasks submitted and not yet ended.
        storage_retries: further tries after storage failed, with a pause that doubles.
        crash_retries: further tries of a shard (and of a record that stands alone) whose process
            died, before it is split (or quarantined).
        backoff_s: first pause.
        lost_after_s: seconds past a task's own time-out after which it is cancelled from here: its
            node hangs. Counted from its submission.
    """

    in_flight: int = 4
    storage_retries: int = 6
    crash_retries: int = 1
    backoff_s: float = 0.5
    lost_after_s: float = 1800.0


@dataclass
class _Piece:
    """A shard of a stage, or a range of its items, on its way."""

    recipe: Recipe
    shard: Shard
    search: Search
    """Shared by all pieces of the shard."""
    start: int
    stop: int
    copy_from: tuple[int, ...]
    """Shards whose rows it may copy."""
    final_crashes: int = 0
    """Processes lost since there was nothing left to search."""
    storage_failures: int = 0
    submitted: float = 0.0
    cancelled: bool = False

    @property
    def items(self) -> int:
        return self.stop - self.start

    @property
    def whole(self) -> bool:
        return self.items == self.search.items

    @property
    def time_limit_s(self) -> float:
        return self.recipe.timeout_s + self.recipe.item_timeout_s * self.items

    def task(self) -> ShardTask:
        # Later stages read their inputs from the tables: only `align` takes sources along.
        sources = self.shard.sources if self.recipe.stage == ALIGN else ()
        shard = Shard(self.shard.index, sources)
        if not self.whole:
            return ShardTask(shard, self.start, self.stop, copy_from=self.copy_from)
        return ShardTask(
            shard,
            quarantined=dict(self.search.quarantined),
            searched=self.search.begun,
            copy_from=self.copy_from,
        )


class Window:
    """Runs pieces until none is left.

    Args:
        limits: bounds and retries.
        resources: by stage.
        on_commit: called with recipe, shard and commit of every shard that got committed.
        on_damaged: called when a shard found what an earlier stage committed missing or damaged.
        on_event: called with a sentence for people about a retry, a split, a quarantine.
    """

    def __init__(
        self,
        limits: WindowLimits,
        resources: dict[str, StageResources],
        *,
        on_commit: Callable[[Recipe, Shard, Commit], None],
        on_damaged: Callable[[Recipe, Shard, UpstreamDamagedError], None],
        on_event: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.limits, self.resources = limits, resources
        self.on_commit, self.on_damaged, self.on_event = on_commit, on_damaged, on_event
        self._live: dict[ray.ObjectRef, _Piece] = {}
        self._ready: list[tuple[int, int, _Piece]] = []
        self._paused: list[tuple[float, int, _Piece]] = []
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
            shard: number, and for `align` the sources.
            items: how many inputs of the stage it has.
            inputs: their digest; a search that an earlier driver left goes on if it is the same.
            copy_from: shards of the stage whose rows are copied where they are the same.
        """
        search = self._search_of(recipe, shard, search_target(recipe, inputs), items)
        self._push_open(recipe, shard, search, copy_from)

    def __len__(self) -> int:
        """Return how many pieces are in flight, ready or paused."""
        return len(self._live) + len(self._ready) + len(self._paused)

    @property
    def has_room(self) -> bool:
        """Tell whether a new shard may be taken in."""
        return len(self) < self.limits.in_flight

    def in_flight(self) -> dict[str, int]:
        """Return the number of submitted pieces by recipe name."""
        counts: dict[str, int] = {}
        for piece in self._live.values():
            counts[piece.recipe.name] = counts.get(piece.recipe.name, 0) + 1
        return counts

    def step(self, timeout_s: float = 0.5) -> None:
        """Submit what fits, wait for one end (or the time-out), and settle what ended.

        Raises:
            ItportraitError: what no retry can mend.
        """
        self._submit()
        if not self._live:
            until = self._paused[0][0] - time.monotonic() if self._paused else timeout_s
            time.sleep(min(timeout_s, max(until, 0.0)))
            return
        done, _ = ray.wait(list(self._live), num_returns=1, timeout=timeout_s, fetch_local=False)
        for ref in done:
            piece = self._live.pop(ref)
            try:
                commit = ray.get(ref)
            except Exception as error:
                self._failed(piece, error)
            else:
                self._succeeded(piece, commit)
        self._cancel_lost()

    def cancel(self) -> None:
        """End all tasks in flight; what they have committed stays."""
        time.sleep(_ARRIVAL_S)
        for ref in self._live:
            ray.cancel(ref, force=True)
        self._live.clear()
        self._ready.clear()
        self._paused.clear()

    def _push(self, piece: _Piece) -> None:
        priority = _PRIORITY[piece.recipe.stage]
        heapq.heappush(self._ready, (priority, next(self._order), piece))

    def _submit(self) -> None:
        now = time.monotonic()
        while self._paused and self._paused[0][0] <= now:
            self._push(heapq.heappop(self._paused)[2])
        while self._ready and len(self._live) < self.limits.in_flight:
            piece = heapq.heappop(self._ready)[2]
            resources = self.resources[piece.recipe.stage]
            ref = submit(
                piece.recipe,
                piece.task(),
                items=piece.items,
                num_cpus=resources.num_cpus,
                num_gpus=resources.num_gpus,
            )
            piece.submitted, piece.cancelled = now, False
            self._live[ref] = piece

    def _succeeded(self, piece: _Piece, commit: Commit) -> None:
        if piece.whole:
            self.on_commit(piece.recipe, piece.shard, commit)
        else:
            piece.search.close(piece.start, piece.stop)
            self._put_together(piece)

    def _failed(self, piece: _Piece, error: Exception) -> None:
        cause = unwrap(error)
        if isinstance(cause, ItportraitError):
            raise cause
        if isinstance(error, _LOST) or isinstance(cause, MemoryError):
            self._lost(piece, error)
        elif isinstance(cause, UpstreamDamagedError):
            self.on_damaged(piece.recipe, piece.shard, cause)
        elif isinstance(cause, _STORAGE):
            self._storage_failed(piece, cause)
        else:
            raise ItportraitError(
                f"{piece.recipe.name}, shard {piece.shard.index}: {type(cause).__name__}: "
                f"{uris.redact(str(cause))}"
            ) from error

    def _storage_failed(self, piece: _Piece, cause: Exception) -> None:
        piece.storage_failures += 1
        if piece.storage_failures > self.limits.storage_retries:
            raise OutputError(
                f"storage of {uris.redact(piece.recipe.output)} failed "
                f"{piece.storage_failures} times in {piece.recipe.name}, shard "
                f"{piece.shard.index}: {uris.redact(str(cause))}; earlier commits stay valid"
            ) from cause
        pause = self.limits.backoff_s * 2 ** (piece.storage_failures - 1)
        self._say(piece, f"storage failed ({uris.redact(str(cause))}); again in {pause:g} s")
        entry = (time.monotonic() + pause, next(self._order), piece)
        heapq.heappush(self._paused, entry)

    def _lost(self, piece: _Piece, error: Exception) -> None:
        search, retries = piece.search, self.limits.crash_retries
        if search.over:
            # Its records have been computed: whatever ended it now is another fault.
            piece.final_crashes += 1
            if piece.final_crashes > max(retries, _FINAL_RETRIES):
                raise ItportraitError(
                    f"{piece.recipe.name}, shard {piece.shard.index}: its process ends even "
                    f"without the records that ended it before: {_short(error)}"
                ) from error
            self._again(piece, error)
            return
        crashes = search.count_crash(piece.start, piece.stop)
        single = piece.items <= 1
        if (piece.whole or single) and crashes <= retries:
            self._again(piece, error)
        elif single:
            self._quarantine(piece, crashes, error)
        else:
            self._say(piece, "its process was lost; looking for the record that ends it")
            for start, stop in search.halve(piece.start, piece.stop):
                half = _Piece(piece.recipe, piece.shard, search, start, stop, piece.copy_from)
                self._push(half)
        self._keep(piece)
        if search.over:
            self._put_together(piece)

    def _again(self, piece: _Piece, error: Exception) -> None:
        self._say(piece, f"its process was lost ({_short(error)}); again")
        self._push(piece)

    def _quarantine(self, piece: _Piece, crashes: int, error: Exception) -> None:
        timed_out = time.monotonic() - piece.submitted >= piece.time_limit_s
        kind = "TimedOut" if timed_out else "WorkerLost"
        message = f"alone in its process, it ended that process {crashes} times"
        if timed_out:
            message = f"alone in its process, it ran past {piece.time_limit_s:g} s"
        message += f" ({_short(error)})"
        self._say(piece, f"record {piece.start} is quarantined ({kind})")
        piece.search.quarantine(piece.start, kind, message)

    def _put_together(self, piece: _Piece) -> None:
        """Queue the whole shard once nothing of it is open."""
        if piece.search.over:
            self._push_open(piece.recipe, piece.shard, piece.search, piece.copy_from)

    def _push_open(
        self, recipe: Recipe, shard: Shard, search: Search, copy_from: tuple[int, ...]
    ) -> None:
        """Queue what is still to be computed of a shard; with nothing open, the shard itself."""
        for start, stop in search.ranges or {(0, search.items): 0}:
            self._push(_Piece(recipe, shard, search, start, stop, copy_from))

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
        except _STORAGE as error:
            self.on_event(f"{recipe.name}: searches cannot be read: {uris.redact(str(error))}")
        return Search.begin(target, items)

    def _keep(self, piece: _Piece) -> None:
        """Leave the search to whoever comes after this driver."""
        try:
            put_search(piece.recipe, piece.shard.index, piece.search)
        except _STORAGE as error:
            self._say(piece, f"its search is not kept: {uris.redact(str(error))}")

    def _cancel_lost(self) -> None:
        now = time.monotonic()
        for ref, piece in self._live.items():
            limit = piece.time_limit_s * (1 + self.limits.in_flight) + self.limits.lost_after_s
            if not piece.cancelled and now - piece.submitted > limit:
                piece.cancelled = True
                self._say(piece, f"nothing heard for {limit:g} s; cancelled")
                ray.cancel(ref, force=True)

    def _say(self, piece: _Piece, text: str) -> None:
        part = "" if piece.whole else f" [{piece.start}:{piece.stop}]"
        self.on_event(f"{piece.recipe.name}, shard {piece.shard.index}{part}: {text}")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
