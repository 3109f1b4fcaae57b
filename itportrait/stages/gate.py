"""Reasons of rejection that rest on a number: by them the review page sorts a stage's rows."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """A threshold of a stage that turns records away.

    Args:
        reason: `error.type` of rows that miss the threshold.
        column: column of the stage's rows that is compared with it.
        setting: key of the threshold in the stage's settings.
        badness: of a value; the largest is the worst.
        shown: text of a value.
    """

    reason: str
    column: str
    setting: str
    badness: Callable[[float], float]
    shown: Callable[[float], str]


def lower_is_worse(value: float) -> float:
    """Return the badness of a value of which a gate wants at least so much."""
    return -value
