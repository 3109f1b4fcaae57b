"""Inputs to shards: a stream in, a stream out, with numbers and keys that every run finds again."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from itportrait.config import fingerprint
from itportrait.records import Source


@dataclass(frozen=True)
class Item:
    """One input of a stage, with the key of all that its rows depend on."""

    key: str
    value: Any


@dataclass(frozen=True)
class Shard:
    """Consecutive inputs; `index` counts shards from 0."""

    index: int
    sources: tuple[Source, ...]

    def keys(self) -> list[str]:
        """Return one key per source: what its result depends on, as far as a listing tells."""
        seen: Counter[str] = Counter()
        keys: list[str] = []
        for source in self.sources:
            key = source_key(source)
            seen[key] += 1
            # The same line twice in a list file is two inputs, each with its own row.
            keys.append(key if seen[key] == 1 else f"{key}#{seen[key]}")
        return keys


def started(shards: Iterable[Shard]) -> Iterator[Shard]:
    """Return the same shards, the first of which is made already.

    Raises:
        Exception: what kept it from being made, before anything is begun that rests on it.
    """
    rest = iter(shards)
    first = list(islice(rest, 1))
    return chain(first, rest)


def source_key(source: Source) -> str:
    """Return a digest of an input's place, version and columns (not of a remote file's content)."""
    arrays = [
        None if array is None else hashlib.sha256(array.tobytes()).hexdigest()
        for array in (source.landmarks, source.camera, source.crop)
    ]
    data = None if source.data is None else hashlib.sha256(source.data).hexdigest()
    parts = [source.uri, source.version, arrays, data, source.container, source.span]
    # An input that was mended has no fault any more, and so another key.
    fault = [] if source.fault is None else [source.fault.type, source.fault.message]
    mask = [] if source.mask is None else ["mask", source_key(source.mask)]
    return fingerprint(*parts, *fault, *mask)


def iter_shards(sources: Iterable[Source], size: int) -> Iterator[Shard]:
    """Cut a stream of inputs into shards of `size`; memory holds one shard at a time."""
    index = 0
    part: list[Source] = []
    for source in sources:
        part.append(source)
        if len(part) == size:
            yield Shard(index, tuple(part))
            index, part = index + 1, []
    if part:
        yield Shard(index, tuple(part))
