"""What stays in a process for its next task, up to a number of bytes."""

from collections.abc import Callable
from dataclasses import is_dataclass
from random import Random
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from cachetools import RRCache, cached

P = ParamSpec("P")
R = TypeVar("R")

MOST_BYTES = 1 << 30
"""Largest size of what is kept of one function."""


def kept(function: Callable[P, R], most_bytes: int = MOST_BYTES) -> Callable[P, R]:
    """Keep what a function returns for the next call with the same arguments.

    Tasks often go through the same things again and again. Where not all fit, those that make room
    are chosen at random: most of the others are then found in the next round, while a cache that
    gives up what was used longest ago would always give up what is asked for next.

    Args:
        function: its arguments must be hashable.
        most_bytes: size of the arrays and tensors that are kept; larger results are not kept.
    """
    cache: RRCache[Any, Any] = RRCache(most_bytes, choice=Random(0).choice, getsizeof=size_of)
    return cached(cache, lock=Lock())(function)


def size_of(value: Any) -> int:
    """Return the bytes of all arrays and tensors in a value."""
    if hasattr(value, "nbytes"):
        return value.nbytes
    if is_dataclass(value):
        value = tuple(vars(value).values())
    return sum(map(size_of, value)) if isinstance(value, tuple | list) else 0
