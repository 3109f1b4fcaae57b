"""Random distortions under which a picture must keep its style: shift, zoom, turn, tint, light.

A change that pleases an image-text model in one framing and one light only is a trick on the model
and no style. Both renders, trained and frozen, are seen through the same distortions, so that the
change must be one that people see too.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from itportrait.learning.distortions import mixed_colors, placement, seen_through

_SHIFT = 0.12
"""Largest shift, as a share of the side."""
_ZOOM = (0.65, 1.1)
"""Smallest and largest part of the picture's side that is seen."""
_TURN_RAD = 0.15


@dataclass(frozen=True)
class Distortion:
    """One random distortion a picture.

    Args:
        place: `[N, 2, 3]` affine map from the distorted picture to the original.
        mix: `[N, 3, 3]` of colors in [0, 1].
        shade: `[N, 3, 1, 1]` added to them.
        ramp: `[N, 2]` brightening to the right and downwards.
    """

    place: Tensor
    mix: Tensor
    shade: Tensor
    ramp: Tensor

    @classmethod
    def draw(cls, count: int, color: float, rng: Generator) -> "Distortion":
        """Draw distortions for `count` pictures.

        Args:
            count: pictures.
            color: strength of tint and light; 0 leaves colors alone.
            rng: CPU generator.
        """
        uniform = torch.rand(count, 4, generator=rng) * 2 - 1
        turn = uniform[:, 0] * _TURN_RAD
        size = sum(_ZOOM) / 2 + uniform[:, 1] * (_ZOOM[1] - _ZOOM[0]) / 2
        noise = torch.randn(count, 3, 3, generator=rng)
        return cls(
            placement(turn, size, 2 * _SHIFT * uniform[:, 2:]),
            torch.eye(3) + color * noise / math.sqrt(3),
            0.5 * color * torch.randn(count, 3, 1, 1, generator=rng),
            color * torch.randn(count, 2, generator=rng),
        )

    def apply(self, image: Tensor) -> Tensor:
        """Distort `[N, 3, H, W]` in [-1, 1]; edges are repeated, colors clipped. Differentiable."""
        device, side = image.device, image.shape[-1]
        moved = seen_through(image, self.place)
        axis = torch.linspace(-1, 1, side, device=device)
        ramp = self.ramp.to(device)[:, :, None, None]
        light = 1 + ramp[:, :1] * axis[None, None, None, :] + ramp[:, 1:] * axis[:, None]
        colors = mixed_colors((moved + 1) / 2, self.mix, self.shade) * light.clamp(0.3, 2.0)
        return colors.clamp(0, 1) * 2 - 1


def distorted(image: Tensor, distortions: list[Distortion]) -> list[Tensor]:
    """Return `[image, *distorted]`: the plain pictures, and a copy through each distortion."""
    return [image, *(distortion.apply(image) for distortion in distortions)]
