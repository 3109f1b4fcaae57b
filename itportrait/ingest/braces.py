"""Braces in a URI: `shard-{000..017}.tar`, `{a,b}`, and one within the other."""

import os
import re
from collections.abc import Iterable, Iterator

from itportrait.errors import InvalidArgumentError
from itportrait.io.uris import redact

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 1_000_000
"""Largest number of URIs that the braces of one URI may stand for; one digit too many in a range
has no end."""
_DIGITS = 18


def expand_braces(uri: str) -> Iterator[str]:
    """Stream what `{000..017}` (zeros kept) and `{a,b}` in a URI stand for, left to right.

    Other braces are part of a name, and so are all of those of a file or folder that is there.

    Raises:
        InvalidArgumentError: they stand for more than a million URIs.
    """
    for number, expanded in enumerate(_expand(uri)):
        if number == _MOST:
            raise _too_many(uri)
        yield expanded


def _expand(uri: str) -> Iterator[str]:
    group = None if os.path.exists(uri) else _first_group(uri, standing_folder(uri))
    if group is None:
        yield uri
        return
    start, end, parts = group
    for part in parts:
        yield from _expand(uri[:start] + part + uri[end:])


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
                    if len(high) > _DIGITS or int(high) - int(low) >= _MOST:
                        raise _too_many(uri)
                    count = range(int(low), int(high) + 1)
                    return start, index + 1, (f"{number:0{len(low)}d}" for number in count)
                if len(cuts) > 1:
                    ends = [*cuts[1:], index]
                    return start, index + 1, [uri[a + 1 : b] for a, b in zip(cuts, ends)]
                break
    return None


def _too_many(uri: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        "braces",
        expected=f"ranges that stand for at most {_MOST} names",
        actual=repr(redact(uri)),
        remedy="narrow the range, or name the files in a list (.txt)",
    )
