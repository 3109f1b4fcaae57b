"""Tell errors of `--set` from those of the file that it is laid over."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from itportrait.errors import InvalidArgumentError
from itportrait.yaml_lines import SpecError

T = TypeVar("T")


def read_naming_set(read: Callable[[list[str]], T], items: Sequence[str], source: str) -> T:
    """Return what is read with items of `--set`; an error names the items that it comes from.

    An item is to blame where the error is another one without it.

    Args:
        read: reads the configuration with the items that it is given.
        items: `key=value`.
        source: what an error of `read` names as its argument.

    Raises:
        InvalidArgumentError: that of `read`.
    """
    try:
        return read(list(items))
    except InvalidArgumentError as error:
        if error.argument != source:
            raise
        kept = {str(item): [other for other in items if other != item] for item in items}
        blamed = [
            f"--set {item}" for item, rest in kept.items() if _problem(read, rest) != str(error)
        ]
        if not blamed:
            raise
        file_is_valid = _problem(read, []) == ""
        argument = " ".join(blamed) if file_is_valid else f"{source} with {' '.join(blamed)}"
        raise _renamed(error, argument, with_lines=not file_is_valid) from None


def _problem(read: Callable[[list[str]], object], items: list[str]) -> str:
    """Return what is wrong with the configuration with other items, or ""."""
    try:
        read(items)
    except InvalidArgumentError as error:
        return str(error)
    return ""


def _renamed(error: InvalidArgumentError, argument: str, *, with_lines: bool) -> Exception:
    if isinstance(error, SpecError):  # the file's lines say nothing of what only --set says
        problems = [p if with_lines else replace(p, line=0) for p in error.problems]
        return SpecError(argument, problems)
    return type(error)(argument, expected=error.expected, actual=error.actual, remedy=error.remedy)
