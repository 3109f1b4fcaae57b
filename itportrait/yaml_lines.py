"""YAML that remembers its lines, bounded: errors say where to look, and no text can run away.

Only plain values are read. A few lines of YAML can stand for gigabytes (aliases of aliases), for
hours (numbers of a million digits) or for brackets without end: what they would become is counted
before it is made.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from itportrait.documents import DEEPEST, find_problem
from itportrait.errors import InvalidArgumentError, InvalidSettingsError

Path = tuple[str | int, ...]

MOST_BYTES = 1 << 20
"""Largest document that is read: a specification of some thousand domains."""
_MOST_VALUES = 100_000
"""Largest number of values of a document with all its aliases put in place."""
_LONGEST_NUMBER = 64
_LONGEST_SHOWN = 40
_MERGE = "tag:yaml.org,2002:merge"
_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge")
)


@dataclass(frozen=True, order=True)
class Problem:
    """One error of a specification: line (from 1; 0 if it has none), place and message."""

    line: int
    place: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.place}: {self.message}" if self.place else f"{where}{self.message}"


class SpecError(InvalidArgumentError):
    """A specification is invalid: all its problems at once, each with its line.

    Args:
        source: file name.
        problems: at least one; sorted by line, duplicates dropped.
    """

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(
            source,
            expected="a valid specification",
            actual=f"{count} error{'s' if count > 1 else ''}:{lines}",
        )

    def __reduce__(self):
        return type(self), (self.argument, list(self.problems))


@dataclass(frozen=True)
class Document:
    """Plain data with the line of every key and item.

    Args:
        data: mappings, lists and plain values, as JSON has them.
        lines: path of keys and indices -> line, counted from 1.
        duplicates: keys that stand twice in one mapping (YAML would silently take the last).
    """

    data: Any
    lines: dict[Path, int]
    duplicates: tuple[Problem, ...] = ()

    def line(self, path: Path) -> int:
        """Return the line of a path, or of its nearest ancestor; 0 where there is none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 0


def read_yaml(text: str | bytes, *, source: str = "YAML") -> Any:
    """Return the data of one YAML document, as `load_yaml` reads it; empty gives None.

    Raises:
        SpecError: it is not YAML, is out of bounds, or has a key twice; names the line.
    """
    document = _parse(text, source)
    if document.duplicates:
        raise SpecError(source, list(document.duplicates))
    return document.data


def load_yaml(text: str | bytes, *, source: str = "YAML") -> Document:
    """Parse one YAML document with its lines. Anchors, aliases and merge keys (`<<`) work.

    The data is what JSON can hold: dates become text, and so do keys. Of no document: `{}`.

    Raises:
        SpecError: it is not YAML, or is out of bounds; names the line.
    """
    document = _parse(text, source)
    return Document({}, {}) if document.data is None else document


def _parse(text: str | bytes, source: str) -> Document:
    if len(text) > MOST_BYTES:
        raise SpecError(source, [Problem(0, "", f"longer than {MOST_BYTES >> 20} MiB")])
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(None, {})
        _measure(node, (), {})
        lines: dict[Path, int] = {}
        duplicates: list[Problem] = []
        _walk(node, (), lines, duplicates)
        data = json.loads(json.dumps(loader.construct_document(node), default=str))
        if problem := find_problem(data, finite=True):
            raise SpecError(source, [Problem(0, "", problem)])
        return Document(data, lines, tuple(duplicates))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 0
        raise SpecError(source, [Problem(line, "", f"not YAML: {error.problem}")]) from None
    except RecursionError:
        raise SpecError(source, [Problem(0, "", "not YAML: brackets without end")]) from None
    except SpecError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, LookupError, OverflowError) as error:
        # Of signs that YAML has not, and of values that are not what their tag says.
        reason = " ".join(str(error).split())[:200]
        raise SpecError(source, [Problem(0, "", f"not YAML: {reason}")]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _measure(
    node: yaml.Node, above: tuple[int, ...], known: dict[int, tuple[int, int]]
) -> tuple[int, int]:
    """Return how many values a node stands for, and how deep it is, or refuse it."""
    if id(node) in known:
        return known[id(node)]
    if id(node) in above:
        raise _problem(node, "an alias inside its own anchor")
    if node.tag not in _TAGS:
        raise _problem(node, f"only plain values are read, not {str(node.tag)[:80]}")
    if len(above) > DEEPEST:
        raise _problem(node, f"more than {DEEPEST} levels deep")
    if isinstance(node, yaml.ScalarNode):
        number = node.tag.endswith((":int", ":float"))
        if number and len(node.value) > _LONGEST_NUMBER:
            raise _problem(node, f"a number of {len(node.value)} characters")
    count, depth = 1, 1
    for part in _parts(node):
        values, levels = _measure(part, (*above, id(node)), known)
        count, depth = count + values, max(depth, levels + 1)
    if count > _MOST_VALUES:
        raise _problem(node, f"more than {_MOST_VALUES} values, aliases put in place")
    if depth > DEEPEST:
        raise _problem(node, f"more than {DEEPEST} levels deep")
    known[id(node)] = count, depth
    return count, depth


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the keys and values of a mapping, or the items of a sequence."""
    for item in node.value if isinstance(node, yaml.CollectionNode) else ():
        if isinstance(item, tuple):
            key, value = item
            if not isinstance(key, yaml.ScalarNode):
                raise _problem(key, "a key that is no plain value")
            yield key
            yield value
        else:
            yield item


def _problem(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _walk(
    node: yaml.Node,
    path: Path,
    lines: dict[Path, int],
    duplicates: list[Problem],
) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _walk(item, (*path, index), lines, duplicates)
        return
    if not isinstance(node, yaml.MappingNode):
        return
    merges = [value for key, value in node.value if key.tag == _MERGE]
    for merged in merges:  # first, so that the mapping's own keys replace their lines
        for part in merged.value if isinstance(merged, yaml.SequenceNode) else [merged]:
            _walk(part, path, lines, duplicates)
    seen: set[str] = set()
    for key, value in node.value:
        if key.tag == _MERGE:
            continue
        name = str(key.value)
        line = key.start_mark.line + 1
        if name in seen:
            place = ".".join(str(part) for part in path)
            duplicates.append(Problem(line, place, f"key {name!r} stands here a second time"))
        seen.add(name)
        lines[(*path, name)] = line
        _walk(value, (*path, name), lines, duplicates)


def pydantic_problems(error: ValidationError) -> list[tuple[Path, str]]:
    """Return path and message of every item of a validation error.

    The library's own messages say what is expected; a plain value that came is added to them.
    """
    return [(tuple(item["loc"]), _message(item)) for item in error.errors()]


def _message(item: Any) -> str:
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, InvalidSettingsError):
        return cause.within
    text, came = item["msg"].removeprefix("Value error, "), item["input"]
    plain = isinstance(came, int | float) or (isinstance(came, str) and len(came) <= _LONGEST_SHOWN)
    # A longer text, or one with an address, could hold what is to be kept secret.
    if item["type"] == "value_error" or not plain or "@" in str(came):
        return text
    return f"{text}, got {came!r}"
