"""Losses that keep the shape: a distance between depth maps, and a measure of flattening."""

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError


def _check(depth: Tensor, base: Tensor) -> None:
    if depth.shape != base.shape or depth.ndim != 4:
        raise InvalidArgumentError(
            "depth",
            expected=f"shape [N, 1, R, R] like base {list(base.shape)}",
            actual=list(depth.shape),
        )


def depth_distance(depth: Tensor, base: Tensor, alpha: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference of depth where the base has a surface.

    Args:
        depth: `[N, 1, R, R]` in world units (distance along the ray).
        base: the base generator's, of the same shape.
        alpha: `[N, 1, R, R]` in [0, 1], the base's accumulated weight; None counts every pixel.

    Returns:
        `[N]` >= 0 in world units; differentiable in `depth`.

    Raises:
        InvalidArgumentError: shapes differ.
    """
    _check(depth, base)
    difference = (depth - base).abs()
    if alpha is None:
        return difference.mean((1, 2, 3))
    weight = alpha.detach()
    return (difference * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6)


def depth_variance(depth: Tensor, alpha: Tensor | None = None) -> Tensor:
    """Return the variance of depth over the surface: it falls when a head flattens.

    Args:
        depth: `[N, 1, R, R]` in world units.
        alpha: `[N, 1, R, R]` weights in [0, 1]; None counts every pixel.

    Returns:
        `[N]` >= 0 in squared world units.
    """
    weight = torch.ones_like(depth) if alpha is None else alpha
    total = weight.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)
    mean = (depth * weight).sum((1, 2, 3), keepdim=True) / total
    return ((depth - mean).square() * weight).sum((1, 2, 3)) / total[:, 0, 0, 0]
