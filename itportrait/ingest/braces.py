"""Braces in a URI: `shard-{000..017}.tar`, `{a,b}`, and one within the other."""

import os
import re
from collections.abc import Iterable, Iterator

_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand_braces(uri: str) -> Iterator[str]:
    """Stream what `{000..017}` (zeros kept) and `{a,b}` in a URI stand for, left to right.

    Other braces are part of a name, and so are all of those of a file or folder that is there.
    """
    group = None if os.path.exists(uri) else _first_group(uri, standing_folder(uri))
    if group is None:
        yield uri
        return
    start, end, parts = group
    for part in parts:
        yield from expand_braces(uri[:start] + part + uri[end:])


def standing_folder(path: str) -> int:
    """Return how much of a path names a folder that is there, up to the slash after it."""
    end = path.rfind("/")
    while end > 0 and not os.path.isdir(path[:end]):
        end = path.rfind("/", 0, end)
    return max(end, 0)


def _first_group(uri: str, begin: int) -> tuple[int, int, Iterable[str]] | None:
    """Return begin, end and alternatives of the first group in braces, None where there is none."""
    for start in (index for index in range(begin, len(uri)) if uri[index] == "{"):
        depth, cuts = 0, [start]
        for index in range(start, len(uri)):
            depth += {"{": 1, "}": -1}.get(uri[index], 0)
            if depth == 1 and uri[index] == ",":
                cuts.append(index)
            if depth == 0:
                if numbers := _RANGE.fullmatch(uri, start + 1, index):
                    low, high = numbers.groups()
                    count = range(int(low), int(high) + 1)
                    return start, index + 1, (f"{number:0{len(low)}d}" for number in count)
                if len(cuts) > 1:
                    ends = [*cuts[1:], index]
                    return start, index + 1, [uri[a + 1 : b] for a, b in zip(cuts, ends)]
                break
    return None
