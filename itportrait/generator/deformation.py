"""Small networks that change a tri-plane generator's scenes while they are drawn.

A deformation is a part of a copy of the generator, under the name `deformation`: it is trained,
copied and moved with it, and runs wherever the copy draws planes.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError
from itportrait.generator.base import Generator

PREFIX = "deformation."
"""Beginning of the names of a deformation's parameters within its generator."""


class Deformation(nn.Module, ABC):
    """Changes of the scene of a code, computed from the code; scaled by `strength`.

    A derived class computes one of the two, or both. At strength 0 neither changes anything.
    """

    name: str
    """Name in the registry of deformations, under which styles keep it."""
    strength: float = 1.0
    """How much of it counts: 0 is nothing, 1 is as it was trained."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the arguments by name that make a deformation of this shape, as JSON data."""

    def features(self, ws: Tensor) -> Mapping[str, Mapping[str, Tensor]]:
        """Return what is added to the outputs of synthesis layers, by block and layer.

        Args:
            ws: `[N, num_ws, w_dim]`.

        Returns:
            Block (`b8`) -> layer (`conv0`, `conv1`) -> `[N, C, H, W]`.
        """
        return {}

    def planes(self, planes: Tensor, ws: Tensor) -> Tensor:
        """Return changed planes.

        Args:
            planes: `[N, 3, C, H, W]`.
            ws: `[N, num_ws, w_dim]`.
        """
        return planes


class Together(Deformation):
    """Several deformations of one scene: what they add is summed, planes pass one after another.

    Args:
        parts: each with its own strength.
    """

    name = "together"

    def __init__(self, parts: Iterable[Deformation]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def settings(self) -> dict[str, Any]:
        """Refuse: several deformations are put together from styles, and kept in none."""
        raise NotImplementedError("deformations that are put together are kept one by one")

    def features(self, ws: Tensor) -> Mapping[str, Mapping[str, Tensor]]:
        total: dict[str, dict[str, Tensor]] = {}
        for part in self._parts():
            for block, layers in part.features(ws).items():
                sums = total.setdefault(block, {})
                for layer, value in layers.items():
                    sums[layer] = sums[layer] + value if layer in sums else value
        return total

    def planes(self, planes: Tensor, ws: Tensor) -> Tensor:
        for part in self._parts():
            planes = part.planes(planes, ws)
        return planes

    def _parts(self) -> list[Deformation]:
        return [part for part in self.parts if isinstance(part, Deformation)]


def undeformable(generator: Generator) -> InvalidArgumentError:
    """Return the refusal of a generator whose scenes no deformation can change."""
    return InvalidArgumentError(
        "generator",
        expected="one that draws tri-planes",
        actual=type(generator).__name__,
        remedy="choose a method that deforms nothing",
    )


def deformed(generator: Generator, deformation: Deformation) -> Generator:
    """Return a copy of a generator that draws its scenes with a deformation.

    Args:
        generator: it is not changed.
        deformation: it is kept and not copied.

    Raises:
        InvalidArgumentError: the generator's family draws no tri-planes, so nothing would use it.
    """
    if not hasattr(generator, "deformation"):
        raise undeformable(generator)
    copied = copy.deepcopy(generator)
    copied.deformation = deformation.to(generator.device)
    return copied
