"""The few numbers of a generator that a hyper-network changes for a portrait, as one vector.

They are the rows of the code, the biases of all layers (those of a layer's style among them, which
scale its input channels), the constant input of the first layer, and the corrections of the camera.
Each has a unit, in which its changes are about 1 or less.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from itportrait.generator import Generator
from itportrait.generator.substitutes import substituted
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit
from itportrait.invert.camera import CORRECTIONS, correct_camera

PARTS = ("synthesis", "superresolution", "background")
"""Parts of a generator whose biases are changed; the decoder keeps its meaning for every scene."""
UNITS = {".affine.bias": 0.15, ".const": 0.15, ".bias": 0.05}
"""Unit of a parameter by the end of its name; the first that fits."""
CODE_UNIT = 0.5
"""Unit of the code's entries, in the spread that the encoder knows of them."""
CAMERA_UNIT = 0.5
"""Unit of the camera's corrections, in their expected errors."""


class SmallChanges:
    """How vectors of changes act on codes, generator and cameras.

    Args:
        generator: the base generator, which is not changed.
        spread: `[w_dim]`: of the entries of a row of a code.
        orbit: of the generator's family.
    """

    def __init__(self, generator: Generator, spread: Tensor, orbit: Orbit = FFHQ_ORBIT) -> None:
        self.generator, self.spread, self.orbit = generator, spread, orbit
        self.base: dict[str, Tensor] = {
            name: parameter.detach()
            for name, parameter in generator.parameters_of(PARTS).items()
            if name.endswith(tuple(UNITS))
        }
        code = generator.num_ws * generator.w_dim
        counts = [parameter.numel() for parameter in self.base.values()]
        self.sizes = (code, *counts, len(CORRECTIONS))
        """Numbers of each part of a vector: code, parameters, camera."""
        units = [CODE_UNIT, *map(_unit, self.base), CAMERA_UNIT]
        self.units = torch.repeat_interleave(
            spread.new_tensor(units), torch.tensor(self.sizes, device=spread.device)
        )

    @property
    def size(self) -> int:
        """Length of a vector."""
        return sum(self.sizes)

    def split(self, vector: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Return what vectors `[N, size]` change: codes, parameters by name, cameras' corrections.

        Returns:
            `[N, num_ws, w_dim]`, name -> `[N, *shape]`, and `[N, 6]`.
        """
        code, *changes, correction = torch.split(vector * self.units, list(self.sizes), 1)
        rows = code.view(len(vector), self.generator.num_ws, -1) * self.spread
        named = zip(self.base.items(), changes, strict=True)
        values = {name: change.view(-1, *base.shape) for (name, base), change in named}
        return rows, values, correction

    def render(self, ws: Tensor, vector: Tensor, camera: Tensor) -> Tensor:
        """Return pictures `[N, 3, S, S]` of codes with changes; differentiable in the vector."""
        rows, changes, correction = self.split(vector)
        generator = substituted(self.generator, _added(self.base, changes))
        camera = correct_camera(camera, correction, self.orbit)
        return generator.synthesize(ws + rows, camera).final_image

    def without_camera(self, vector: Tensor) -> Tensor:
        """Return the vector with no correction of the camera."""
        kept = torch.ones_like(self.units)
        kept[-len(CORRECTIONS) :] = 0
        return vector * kept


def _added(base: Mapping[str, Tensor], changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: base[name] + change for name, change in changes.items()}


def _unit(name: str) -> float:
    return next(unit for end, unit in UNITS.items() if name.endswith(end))
