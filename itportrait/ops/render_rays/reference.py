"""The definition of `render_rays`: sample every point, decode it, composite along the rays."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from itportrait.ops.decode_features import decode_each
from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.dispatch import REFERENCE
from itportrait.ops.render_rays.marching import march_weights, sample_weights
from itportrait.ops.sample_planes.reference import Axes, sample_planes_reference

EMPTY = -30.0
"""A density before the softplus that is nothing after it."""


@dataclass(frozen=True)
class Space:
    """How planes fill the space, and what their densities mean."""

    axes: Axes
    """For each plane the axis along its columns, then the one along its rows."""
    box_warp: float
    """Side of the cube that the planes cover, in world units."""
    mask_outside: bool
    """Whether the density outside of the cube is zero."""
    density_gain: float
    """Factor on the density."""


class Composite(NamedTuple):
    """What rays carry to the camera."""

    features: Tensor
    """`[N, M, C]`: sums of the colors, each with its weight."""
    alpha: Tensor
    """`[N, M, 1]`: sums of the weights, at most 1."""
    distance: Tensor
    """`[N, M, 1]`: sums of the intervals' middle depths, each with its weight."""
    weights: Tensor | None
    """`[N, M, K - 1]`: of the intervals, where they were asked for."""


def render_rays_reference(
    planes: Tensor,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    hidden: Layer,
    output: Layer,
    space: Space,
    with_weights: bool,
) -> Composite:
    """Sample, decode and composite; arguments as in `op.render_rays`."""
    depths = depths.detach()
    points = ray_points(origins, directions, depths)
    found = sample_planes_reference(planes, points * (2 / space.box_warp), space.axes)
    sigma, color = decode_each(found, hidden, output, backend=REFERENCE)
    sigma = masked(sigma.view(*points.shape[:2], 1), points, space).view(depths.shape)
    weights = march_weights(depths, sigma, space.density_gain)
    shares = sample_weights(weights)
    colors = color.view(*depths.shape, -1).to(shares.dtype)
    features = (shares[..., None, :] @ colors).squeeze(2)
    return composite(features, weights, depths, with_weights)


def ray_points(origins: Tensor, directions: Tensor, depths: Tensor) -> Tensor:
    """Return the points `[N, M * K, 3]` at depths `[N, M, K]` along rays `[N, M, 3]`."""
    points = origins[:, :, None] + depths[..., None] * directions[:, :, None]
    return points.flatten(1, 2)


def masked(sigma: Tensor, points: Tensor, space: Space) -> Tensor:
    """Empty the density `[N, M, 1]` at points `[N, M, 3]` outside of the cube, if asked to."""
    if not space.mask_outside:
        return sigma
    outside = points.detach().abs().amax(-1, keepdim=True) > space.box_warp / 2
    return sigma.masked_fill(outside, EMPTY)


def composite(features: Tensor, weights: Tensor, depths: Tensor, with_weights: bool) -> Composite:
    """Put together what rays of these weights carry, `[N, M, K - 1]` between depths `[N, M, K]`."""
    alpha = weights.sum(-1, keepdim=True)
    distance = (weights * middles(depths)).sum(-1, keepdim=True)
    return Composite(features, alpha, distance, weights if with_weights else None)


def middles(depths: Tensor) -> Tensor:
    """Return the middle depths `[N, M, K - 1]` of the intervals between sorted depths."""
    return 0.5 * (depths[..., 1:] + depths[..., :-1])
