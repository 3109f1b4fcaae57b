"""How far a stage is within a shard, told by the code that computes to whoever shows it.

A shard may take minutes. Stages and the optimizations in them say here what they have done;
nothing comes of it unless somebody in this process listens, and no result depends on it.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

Listener = Callable[[int, str], None]
"""Is called with the number of items that are done, and what is done with the next ones, or ""."""


@dataclass
class _Told:
    listener: Listener
    items: int = 0


_told: ContextVar[_Told | None] = ContextVar("told within a shard", default=None)


@contextmanager
def told_to(listener: Listener) -> Generator[None]:
    """Let a listener hear of what this thread computes in the block."""
    token = _told.set(_Told(listener))
    try:
        yield
    finally:
        _told.reset(token)


def tell_items(done: int) -> None:
    """Say how many of the items are done that the stage's function was called with."""
    told = _told.get()
    if told is not None:
        told.items = done
        told.listener(done, "")


def tell_step(step: int, steps: int, kind: str = "step") -> None:
    """Say how far the optimization is of the items that are worked on.

    Args:
        step: steps done.
        steps: steps at most; it ends earlier where nothing improves.
        kind: what such a step is called.
    """
    told = _told.get()
    if told is not None:
        told.listener(told.items, f"{kind} {step} of at most {steps}")
