"""YAML that remembers its lines: errors of a long specification say where to look."""

from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from itportrait.errors import InvalidArgumentError

Path = tuple[str | int, ...]


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
        data: what `yaml.safe_load` gives.
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


def load_yaml(text: str, *, source: str = "YAML") -> Document:
    """Parse one YAML document with its lines. Anchors, aliases and merge keys (`<<`) work.

    Raises:
        SpecError: it is not YAML; names the line.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document({}, {})
        lines: dict[Path, int] = {}
        duplicates: list[Problem] = []
        _walk(node, (), lines, duplicates, set())
        return Document(loader.construct_document(node), lines, tuple(duplicates))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 0
        raise SpecError(source, [Problem(line, "", f"not YAML: {error.problem}")]) from None
    finally:
        loader.dispose()


def _walk(
    node: yaml.Node,
    path: Path,
    lines: dict[Path, int],
    duplicates: list[Problem],
    above: set[int],
) -> None:
    if id(node) in above:
        mark = node.start_mark
        raise yaml.MarkedYAMLError(problem="an alias inside its own anchor", problem_mark=mark)
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _walk(item, (*path, index), lines, duplicates, above)
        return
    if not isinstance(node, yaml.MappingNode):
        return
    merges = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
    for merged in merges:  # first, so that the mapping's own keys replace their lines
        for part in merged.value if isinstance(merged, yaml.SequenceNode) else [merged]:
            _walk(part, path, lines, duplicates, above)
    seen: set[str] = set()
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        name = str(key.value)
        line = key.start_mark.line + 1
        if name in seen:
            place = ".".join(str(part) for part in path)
            duplicates.append(Problem(line, place, f"key {name!r} stands here a second time"))
        seen.add(name)
        lines[(*path, name)] = line
        _walk(value, (*path, name), lines, duplicates, above)


def pydantic_problems(error: ValidationError) -> list[tuple[Path, str]]:
    """Return path and message of every item of a validation error."""
    return [
        (tuple(item["loc"]), item["msg"].removeprefix("Value error, ")) for item in error.errors()
    ]
