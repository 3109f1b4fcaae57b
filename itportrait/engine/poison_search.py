"""The search for records that end their process: ranges are halved until the culprit stands
alone.

What a shard's crashes have taught is kept beside the rows of its halves, in
`TABLE/_partial/00012/search.json`, after every crash: a driver that is killed leaves it to the
next one, and records that are quarantined stay so until the shard is committed.
"""

import contextlib
from dataclasses import dataclass, field
from typing import Any, Self

from itportrait.config import fingerprint
from itportrait.documents import build
from itportrait.engine.verdicts import holds
from itportrait.errors import InvalidArgumentError
from itportrait.io import uris
from itportrait.stages.recipe import Recipe

FILE = "search.json"

Range = tuple[int, int]
"""Positions of the first item and of the one behind the last."""


@dataclass
class Search:
    """The state of the search in a shard whose process was lost.

    Args:
        target: of the shard, see `search_target`: another one is another search.
        items: of the shard.
        ranges: still to be computed -> processes that they have ended; at first the whole shard.
        trials: position -> kind of error -> processes that the item has ended in this way while
            nothing else ran and memory was free.
        quarantined: position -> (error type, message) of items that no task shall touch.
    """

    target: str
    items: int
    ranges: dict[Range, int]
    quarantined: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    trials: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])

    @classmethod
    def begin(cls, target: str, items: int) -> Self:
        """Return a search that suspects the whole shard."""
        return cls(target, items, {(0, items): 0})

    @property
    def begun(self) -> bool:
        """Tell whether a process was lost, so that partial results exist."""
        return self.ranges != {(0, self.items): 0}

    @property
    def over(self) -> bool:
        """Tell whether every item is computed or quarantined, so the shard can be put together."""
        return not self.ranges

    def count_crash(self, start: int, stop: int) -> int:
        """Count a process that a range ended, and return the number so far."""
        self.ranges[start, stop] = self.ranges.get((start, stop), 0) + 1
        return self.ranges[start, stop]

    def count_trial(self, position: int, kind: str) -> int:
        """Count a trial of an item by what ended it, and return the number of those that ended in
        this way."""
        self.count_crash(position, position + 1)
        counts = self.trials.setdefault(position, {})
        counts[kind] = counts.get(kind, 0) + 1
        return counts[kind]

    def halve(self, start: int, stop: int) -> list[Range]:
        """Replace a range of two or more by its halves, and return these."""
        middle = (start + stop) // 2
        halves = [(start, middle), (middle, stop)]
        del self.ranges[start, stop]
        self.ranges.update(dict.fromkeys(halves, 0))
        return halves

    def quarantine(self, position: int, kind: str, message: str) -> None:
        """Give up on an item that stands alone."""
        self.quarantined[position] = kind, uris.redact(message)
        self.close(position, position + 1)

    def close(self, start: int, stop: int) -> None:
        """Take out a range that has been computed."""
        self.ranges.pop((start, stop), None)
        if stop - start == 1:
            self.trials.pop(start, None)

    def reopen(self) -> None:
        """Release items that earlier releases quarantined because of memory or a lost node."""
        for at, reason in list(self.quarantined.items()):
            if not holds(*reason):
                del self.quarantined[at]
                self.ranges[at, at + 1] = 0

    def to_json(self) -> dict[str, Any]:
        """Return the search as plain data."""
        return {
            "target": self.target,
            "items": self.items,
            "ranges": [[start, stop, crashes] for (start, stop), crashes in self.ranges.items()],
            "quarantined": [[at, *reason] for at, reason in self.quarantined.items()],
            "trials": [
                [at, kind, count]
                for at, counts in self.trials.items()
                for kind, count in counts.items()
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` returned.

        Raises:
            InvalidArgumentError: it did not, or it tells of items that the shard has not.
        """
        kept = build(_Kept, data, "search")
        inside = all(0 <= start < stop <= kept.items for start, stop, _ in kept.ranges)
        if not inside or not all(0 <= at < kept.items for at, *_ in kept.quarantined):
            raise InvalidArgumentError("search", expected="items of its shard", actual="others")
        trials: dict[int, dict[str, int]] = {}
        for at, kind, count in kept.trials:
            trials.setdefault(at, {})[kind] = count
        return cls(
            kept.target,
            kept.items,
            {(start, stop): crashes for start, stop, crashes in kept.ranges},
            {at: (kind, message) for at, kind, message in kept.quarantined},
            trials,
        )


@dataclass(frozen=True)
class _Kept:
    """The data that `Search.to_json` returns."""

    target: str
    items: int
    ranges: list[tuple[int, int, int]]
    quarantined: list[tuple[int, str, str]]
    trials: list[tuple[int, str, int]] = field(default_factory=list[tuple[int, str, int]])
    """Trials by item; release 0.1 did not keep them."""


def search_target(recipe: Recipe, inputs: str | list[str]) -> str:
    """Return what a search belongs to: recipe, inputs, and whether failed records are retried.

    `--retry failed` gives quarantined records another chance: it takes up no search but its own.
    """
    return fingerprint(recipe.of_inputs(inputs), recipe.retry_failed)


def list_searches(recipe: Recipe) -> frozenset[int]:
    """Return the shards of a stage that may have a search, in one listing."""
    names = uris.list_names(recipe.partial_root)
    return frozenset(int(name) for name in names if name.isascii() and name.isdigit())


def end_searches(recipe: Recipe) -> None:
    """Remove what searches have left of a stage; what storage does not let go stays."""
    with contextlib.suppress(OSError):
        uris.remove(recipe.partial_root, recursive=True)


def read_search(recipe: Recipe, shard: int, target: str) -> Search | None:
    """Return the search that an earlier driver left, unless it is another shard's or recipe's."""
    try:
        data = uris.read_json(_uri(recipe, shard))
        search = None if data is None else Search.from_json(data)
    except InvalidArgumentError:
        return None  # not ours: the search begins anew
    if search is None or search.target != target:
        return None
    search.reopen()
    return search


def put_search(recipe: Recipe, shard: int, search: Search) -> None:
    """Keep a search for the next driver.

    Raises:
        OutputError: no space or no permission; names the path.
        OSError: storage failed; this driver's search goes on all the same.
    """
    uris.put_bytes(_uri(recipe, shard), uris.to_json(search.to_json()))


def _uri(recipe: Recipe, shard: int) -> str:
    return uris.join(recipe.partial_table(shard).root, FILE)
