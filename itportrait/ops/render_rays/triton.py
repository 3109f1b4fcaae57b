"""`render_rays` on a GPU: the op's arguments for the kernels, and their results for the op."""

from torch import Tensor

from itportrait.kernels.render_rays.launch import Scene, render
from itportrait.ops.decode_features.each import layer_rows
from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.render_rays.reference import Composite, Space


def render_rays_triton(
    planes: Tensor,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    hidden: Layer,
    output: Layer,
    space: Space,
    with_weights: bool,
) -> Composite:
    """Sample, decode and composite; differentiable once, in everything but the depths."""
    layers = layer_rows(hidden, output)
    axes = tuple(axis for plane in space.axes for axis in plane)
    scene = Scene(axes, space.box_warp, space.mask_outside, space.density_gain)
    rays = origins, directions, depths.detach()
    features, alpha, distance, weights = (
        t.to(origins.dtype) for t in render(planes, rays, layers, scene, with_weights)
    )
    return Composite(
        features, alpha[..., None], distance[..., None], weights if with_weights else None
    )
