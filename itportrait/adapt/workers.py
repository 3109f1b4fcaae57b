"""The processes that adapt one domain together: what they average, and what they agree on."""

from collections.abc import Sequence
from typing import TypeVar

from torch import nn

T = TypeVar("T")


class Workers:
    """One process alone. Several, over a process group, are a subclass's.

    Every worker draws its own codes and cameras. Whatever decides about a step or about the run is
    an average or the first worker's, so that n workers do what one does with n times the batch.
    Every method is called by all workers alike, in the same order.
    """

    rank: int = 0
    """Number of this worker, from 0."""
    count: int = 1
    """Number of all workers."""

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the workers; none counts as 0."""

    def average(self, value: float) -> float:
        """Return the mean of a number over the workers."""
        return value

    def from_first(self, value: T) -> T:
        """Return what worker 0 has."""
        return value
