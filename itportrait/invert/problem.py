"""What an inversion method gets and gives."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from itportrait.invert.config import InvertConfig


@dataclass(frozen=True)
class Problem:
    """A batch of portraits to invert.

    Args:
        images: `[N, 3, S, S]` in [-1, 1], S the generator's image resolution.
        cameras: `[N, 25]` as the aligner gave them.
        keys: N record ids: they seed what is random, so that a portrait's result does not depend
            on the batch it comes in.
    """

    images: Tensor
    cameras: Tensor
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Solution:
    """The code found for one portrait, or why there is none.

    Args:
        w_plus: `[num_ws, w_dim]`.
        camera: `[25]`, refined where asked.
        steps: optimization steps taken.
        seconds: this portrait's share of the time (a step's time is shared by the rows in it).
        failure: empty, or what went wrong.
    """

    w_plus: Tensor
    camera: Tensor
    steps: int
    seconds: float
    failure: str = ""


class Inversion(Protocol):
    """An inversion method: built once per bundle, called once per batch."""

    def __init__(self, config: InvertConfig, bundle) -> None: ...

    def run(self, problem: Problem) -> list[Solution]:
        """Return one solution per portrait, in order."""
        ...
