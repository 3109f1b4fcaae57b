"""JSON that others may have written: bounded, plain, and refused in one sentence where it is not.

Cards, indexes, markers and model descriptions come from folders that anybody may have filled. The
standard parser takes a million brackets, numbers without end and the same key twice; this one does
not. `yaml_lines` does the same for YAML.
"""

import functools
import json
import math
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from itportrait.errors import InvalidArgumentError, valid

T = TypeVar("T")

MOST_BYTES = 16 << 20
"""Largest document that is read: the marker of a shard of 900,000 photos. Parsed, it takes up to
twenty times as much memory."""
DEEPEST = 64
"""Largest depth of brackets within brackets; the deepest document of our own has 9."""
LARGEST = 2**64
"""Largest magnitude of whole numbers."""


def parse_json(data: bytes | str, source: str, *, finite: bool = False) -> Any:
    """Return the content of a JSON document.

    Args:
        data: the document, UTF-8.
        source: its name, for errors.
        finite: refuse NaN and infinities, which measured values may be, but no setting.

    Raises:
        InvalidArgumentError: it is no JSON, too long or too deep, has a key twice, or a number that
            is too large; says which.
    """
    if len(data) > MOST_BYTES:
        raise _refusal(source, f"more than {MOST_BYTES >> 20} MiB")
    try:
        content = json.loads(data, object_pairs_hook=_without_repeats)
    except RecursionError:
        raise _refusal(source, "brackets without end") from None
    except ValueError as error:  # not JSON, not UTF-8, a key twice, a number of 5,000 digits
        raise _refusal(source, str(error)[:200]) from None
    if problem := find_problem(content, finite=finite):
        raise _refusal(source, problem)
    return content


def parse_object(data: bytes | str, source: str, *, finite: bool = False) -> dict[str, Any]:
    """Return the content of a JSON document that must be an object; see `parse_json`."""
    return check_object(parse_json(data, source, finite=finite), source)


def check_object(content: Any, source: str) -> dict[str, Any]:
    """Return parsed JSON if it is an object.

    Raises:
        InvalidArgumentError: it is something else.
    """
    if not isinstance(content, dict):
        raise InvalidArgumentError(
            source, expected="a JSON object", actual=f"a {type(content).__name__}"
        )
    return content


def build(kind: type[T], content: Any, source: str) -> T:
    """Return a dataclass from parsed JSON after checking the types of all its fields.

    Args:
        kind: the dataclass; keys that it does not know, of newer releases, are left out.
        content: parsed JSON.
        source: its name, for errors.

    Raises:
        InvalidArgumentError: a field is missing or of another type; names the first ones.
    """
    try:
        return _adapter(kind).validate_python(check_object(content, source))
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)
        shown = [f"{_place(item['loc'])}: {item['msg']}" for item in items[:3]]
        raise InvalidArgumentError(source, expected=valid(kind), actual="; ".join(shown)) from None


def _place(parts: tuple[int | str, ...]) -> str:
    """Return where in a document something is, in signs that a terminal shows as they are."""
    return "".join(c if c.isprintable() else "?" for c in ".".join(map(str, parts)))[:80]


@functools.cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def find_problem(content: Any, *, finite: bool = False) -> str:
    """Return what is wrong with plain data by the bounds of this module, or ""."""
    left = [(content, 1)]
    while left:
        value, depth = left.pop()
        if isinstance(value, dict | list | tuple):
            if depth > DEEPEST:
                return f"brackets more than {DEEPEST} deep"
            items = value.values() if isinstance(value, dict) else value
            left += [(item, depth + 1) for item in items]
        elif isinstance(value, float):
            if finite and not math.isfinite(value):
                return f"the number {value}"
        elif isinstance(value, int) and abs(value) > LARGEST:
            return f"a number of {len(str(abs(value)))} digits"
    return ""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name[:80]!r} twice in one object")
        found[name] = value
    return found


def _refusal(source: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        source,
        expected="a whole JSON document of this program",
        actual=problem,
        remedy="restore it from a copy, or leave it out",
    )
