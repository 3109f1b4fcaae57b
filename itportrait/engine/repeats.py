"""Photos that are in several shards: the rows that one shard has computed are copied to the
others.

The commits of the first stage say which photos their shards hold. In every later stage, a shard
copies the rows of its repeats from a shard that has them, waits for one that is computing them, and
computes what nobody has. A shard waits only for shards that began before it, so there is no
deadlock. A copied row is whole, pictures included: it stays when the shard that it was copied from
goes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from itportrait.io.commits import Commit, StageTable
from itportrait.stages.recipe import Recipe

NO_PORTRAIT = "0" * 16
"""Digest that stands for a photo of which no portrait came."""
_MARKERS_PER_ROUND = 256

Start = Callable[[tuple[int, ...]], None]
"""Begins the work on a shard, given the shards that it copies from."""


class Holders:
    """Which shards hold a photo: 12 bytes for each photo of each shard, sorted by content."""

    def __init__(self) -> None:
        self._photos = np.empty(0, np.uint64)
        self._shards = np.empty(0, np.int32)
        self._new: dict[int, np.ndarray] = {}
        """Not sorted in yet: who has nothing to compute asks for nothing."""

    def put(self, shard: int, photos: str) -> None:
        """Record which photos a shard holds, replacing what was known of it.

        Args:
            shard: its number.
            photos: 16 hexadecimal digits each, as in `Commit.photos`.
        """
        digests = np.unique(np.frombuffer(bytes.fromhex(photos), ">u8").astype(np.uint64))
        self._new[shard] = digests[digests != 0]

    def of_repeats(self, shard: int) -> Iterator[list[int]]:
        """Yield, for each photo of a shard that others hold as well, these others in order."""
        self._sort_in()
        own = self._photos[self._shards == shard]
        first, end = (np.searchsorted(self._photos, own, side) for side in ("left", "right"))
        for start, stop in zip(first, end, strict=True):
            if stop - start > 1:
                holders = np.sort(self._shards[start:stop])
                yield holders[holders != shard].tolist()

    def _sort_in(self) -> None:
        if not self._new:
            return
        stay = ~np.isin(self._shards, np.fromiter(self._new, np.int32))
        kept, shards = self._photos[stay], self._shards[stay]
        new = np.concatenate(list(self._new.values()))
        sizes = [len(photos) for photos in self._new.values()]
        holders = np.repeat(np.fromiter(self._new, np.int32), sizes)
        order = np.argsort(new)
        at = np.searchsorted(kept, new[order])
        self._photos = np.insert(kept, at, new[order])
        self._shards = np.insert(shards, at, holders[order])
        self._new.clear()


@dataclass
class _Stage:
    """The shards of one stage: the state of each, and which ones wait for which."""

    done: set[int] = field(default_factory=set[int])
    running: set[int] = field(default_factory=set[int])
    earlier: set[int] = field(default_factory=set[int])
    """Shards that earlier runs have committed."""
    waiting: list[tuple[set[int], Callable[[], None]]] = field(
        default_factory=list[tuple[set[int], Callable[[], None]]]
    )

    def source(self, holders: list[int]) -> int | None:
        """Return the shard to copy a photo's rows from, preferably one that is committed."""
        for group in (self.done, self.running, self.earlier):
            for shard in holders:
                if shard in group:
                    return shard
        return None


class Repeats:
    """Decides when a shard of a later stage begins, and whose rows it copies."""

    def __init__(self) -> None:
        self._holders = Holders()
        self._known: set[int] = set()
        self._recalled: set[str] = set()
        self._stages: dict[str, _Stage] = {}

    def hold(self, shard: int, photos: str) -> None:
        """Record the photos of a shard that the first stage has committed (see `Commit.photos`)."""
        self._known.add(shard)
        self._holders.put(shard, photos)

    def begin(self, recipe: Recipe, shard: int, start: Start) -> None:
        """Start a shard of a stage at once, or when the shards that it copies from are done."""
        stage, sources = self._stage(recipe), self.sources(recipe, shard)
        stage.done.discard(shard)
        stage.running.add(shard)
        begin = partial(start, sources)
        if unfinished := stage.running.intersection(sources):
            stage.waiting.append((unfinished, begin))
        else:
            begin()

    def sources(self, recipe: Recipe, shard: int) -> tuple[int, ...]:
        """Return the shards of a stage, done or in flight, that a shard copies from."""
        self._recall(recipe)
        stage = self._stage(recipe)
        found = (stage.source(holders) for holders in self._holders.of_repeats(shard))
        return tuple(sorted({source for source in found if source is not None}))

    def end(self, recipe: Recipe, shard: int) -> None:
        """Record that a shard of a stage is committed, and start those that waited for it alone."""
        stage = self._stage(recipe)
        stage.running.discard(shard)
        stage.done.add(shard)
        for unfinished, _ in stage.waiting:
            unfinished.discard(shard)
        ready = [begin for unfinished, begin in stage.waiting if not unfinished]
        stage.waiting = [entry for entry in stage.waiting if entry[0]]
        for begin in ready:
            begin()

    def _stage(self, recipe: Recipe) -> _Stage:
        return self._stages.setdefault(recipe.name, _Stage())

    def _recall(self, recipe: Recipe) -> None:
        """Read the commits of earlier runs, once there is something to compute."""
        if not self._recalled:
            for commit in _standing(recipe.upstream(recipe.before[0])):
                if commit.shard not in self._known:
                    self._holders.put(commit.shard, commit.photos)
        if recipe.name not in self._recalled:
            self._recalled.add(recipe.name)
            commits = _standing(recipe.table())
            same = (c.shard for c in commits if c.recipe == recipe.fingerprint)
            self._stage(recipe).earlier.update(same)


def _standing(table: StageTable) -> Iterator[Commit]:
    """Yield the commits of a stage, from its markers alone; one that cannot be read is left out."""
    shards = table.shards()
    for start in range(0, len(shards), _MARKERS_PER_ROUND):
        yield from table.read_commits(shards[start : start + _MARKERS_PER_ROUND]).values()
