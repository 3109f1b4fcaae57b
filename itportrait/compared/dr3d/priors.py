"""What keeps the geometry: depth near the base generator's, and normals that change slowly."""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.adversarial import blurred
from itportrait.generator import Rendering

_SURFACE = 0.5
"""Accumulated weight from which a pixel shows a surface."""
_STEEPNESS = 100.0
"""Factor on depth before its differences, as published."""
_REACH = 4 / 3
"""Pixels on either side that the published blur sees, in its standard deviations."""


def depth_prior(render: Rendering, base: Rendering, sigma: float) -> Tensor:
    """Return the mean absolute difference of blurred depths where both show a surface.

    Args:
        render: of the generator in training, with gradients.
        base: of the base, of the same codes from the same cameras.
        sigma: standard deviation of the blur, in pixels.
    """
    reach = round(_REACH * sigma)
    ours, theirs = (blurred(each.image_depth, sigma, reach) for each in (render, base))
    surface = ((render.image_alpha > _SURFACE) & (base.image_alpha > _SURFACE)).float()
    return ((ours - theirs).abs() * surface).sum() / surface.sum().clamp_min(1)


def normal_prior(render: Rendering) -> Tensor:
    """Return the mean absolute change of unit normals between neighboring pixels of the surface.

    A normal is taken from a pixel and its neighbors to the right and below, so it counts where all
    three show the surface.

    Args:
        render: with gradients.
    """
    depth = render.image_depth * _STEEPNESS
    across = depth[:, :, :-1, 1:] - depth[:, :, :-1, :-1]
    down = depth[:, :, 1:, :-1] - depth[:, :, :-1, :-1]
    normals = F.normalize(torch.cat([-across, -down, torch.ones_like(across)], 1), dim=1)
    shown = (render.image_alpha > _SURFACE).float()
    surface = shown[:, :, :-1, :-1] * shown[:, :, :-1, 1:] * shown[:, :, 1:, :-1]
    terms: list[Tensor] = []
    for axis in (2, 3):
        size = normals.shape[axis] - 1
        change = (normals.narrow(axis, 1, size) - normals.narrow(axis, 0, size)).abs()
        both = surface.narrow(axis, 1, size) * surface.narrow(axis, 0, size)
        terms.append((change * both).sum() / (3 * both.sum()).clamp_min(1))
    return torch.stack(terms).mean()
