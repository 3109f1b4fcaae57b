"""Launches of the kernels of `render_rays` and their place in autograd.

Blocks are so small that the code which Triton compiles for an H100 (compute capability 9.0) keeps
the published decoder (32, 64 and 33 channels) and a block of rays in registers. No time of these
kernels has been measured on a GPU.
"""

# pyright: reportCallIssue=false
# Kernels are called through Triton, which takes them for functions of their own arguments.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from itportrait.kernels.render_rays import passes, pieces
from itportrait.kernels.running import block_of, on_device_of, precision_of

RAYS = 16
"""Rays of one program, which walks along all of them at once."""
WARPS = 4
"""Warps of one program; they share the products' columns."""
ROWS = 64
"""Rows over which programs spread their gradients of the decoder, so that few of them meet."""


@dataclass(frozen=True)
class Scene:
    """How planes fill the space, and what their densities mean."""

    axes: tuple[int, ...]
    """For each of the planes the axis along its columns, then the one along its rows."""
    side: float
    """Side of the cube that the planes cover, in world units."""
    masked: bool
    """Whether the density outside of the cube is zero."""
    gain: float
    """Factor on the density."""


def render(
    planes: Tensor, rays: Sequence[Tensor], layers: Sequence[Tensor], scene: Scene, weights: bool
) -> tuple[Tensor, ...]:
    """Sample, decode and composite; differentiable once, in everything but the depths.

    Args:
        planes: `[N, 3, C, H, W]`.
        rays: origins and directions `[N, M, 3]`, and sorted depths `[N, M, K]`.
        layers: weights and biases of both layers, `[W, ...]`; W is 1, or N: one for each sample.
        scene: numbers of the space.
        weights: whether the weights of the intervals are returned.

    Returns:
        Features `[N, M, C]`, sums of weights and of weighted depths `[N, M]`, and weights
        `[N, M, K - 1]` or, unless asked for, `[N, M, 0]`; all in float32.
    """
    return _RenderRays.apply(planes, *rays, *layers, scene, weights)


class _RenderRays(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        planes: Tensor,
        origins: Tensor,
        directions: Tensor,
        depths: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        scene: Scene,
        with_weights: bool,
    ) -> tuple[Tensor, ...]:
        texels = planes.permute(0, 3, 4, 1, 2).contiguous()  # [N, H, W, 3, C]
        rays = [t.contiguous() for t in (origins, directions, depths)]
        layers = [t.float().contiguous() for t in (weight1, bias1, weight2, bias2)]
        batch, count, samples = depths.shape
        features = _single(texels, batch, count, weight2.shape[1] - 1)
        alpha, distance = (_single(texels, batch, count) for _ in range(2))
        weights = _single(texels, batch, count, samples - 1 if with_weights else 0)
        if alpha.numel():
            with on_device_of(planes):
                passes.render_forward[_grid(rays)](
                    *_arguments(texels, rays, layers, scene),
                    passes.Outputs(features, alpha, distance, weights, alpha),
                    **_constants(texels, layers, scene, with_weights),
                )
        ctx.save_for_backward(texels, *rays, *layers, features, alpha, distance, weights)
        ctx.scene, ctx.with_weights = scene, with_weights
        ctx.types = [t.dtype for t in (planes, origins, directions, weight1, bias1, weight2, bias2)]
        return features, alpha, distance, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        texels, *rest = ctx.saved_tensors
        rays, layers, outputs = rest[:3], rest[3:7], rest[7:]
        given = [grad.float().contiguous() for grad in grads]
        total = torch.zeros_like(outputs[1])
        for grad, output in zip(given, outputs):
            product = grad * output
            total += product.sum(2) if product.ndim == 3 else product
        needs = [*ctx.needs_input_grad[:3], *ctx.needs_input_grad[4:8]]
        wants = {"PLANES": needs[0], "LAYERS": any(needs[3:]), "RAYS": needs[1] or needs[2]}
        into = _gradients(texels, rays, layers, **wants)
        if total.numel():
            with on_device_of(texels):
                passes.render_backward[_grid(rays)](
                    *_arguments(texels, rays, layers, ctx.scene),
                    passes.Outputs(*given, total),
                    into,
                    **wants,
                    ROWS=ROWS,
                    **_constants(texels, layers, ctx.scene, ctx.with_weights),
                )
        found = [into.texels.permute(0, 3, 4, 1, 2), into.origins, into.directions]
        parts = into.layers.sum(0).split([t[0].numel() for t in layers], dim=-1)
        found += [part.reshape(layer.shape) for part, layer in zip(parts, layers)]
        kept = [g.to(t) if need else None for g, t, need in zip(found, ctx.types, needs)]
        return *kept[:3], None, *kept[3:], None, None


def _gradients(
    texels: Tensor, rays: list[Tensor], layers: list[Tensor], PLANES: bool, LAYERS: bool, RAYS: bool
) -> passes.Gradients:
    """Return what kernels add gradients to: zeros, without elements where none are wanted."""
    size = sum(layer[0].numel() for layer in layers)
    origins, directions, _ = rays
    return passes.Gradients(
        torch.zeros_like(texels if PLANES else texels[:0], dtype=torch.float32),
        torch.zeros_like(_single(texels, ROWS if LAYERS else 0, len(layers[0]), size)),
        torch.zeros_like(origins if RAYS else origins[:0], dtype=torch.float32),
        torch.zeros_like(directions if RAYS else directions[:0], dtype=torch.float32),
    )


def _single(like: Tensor, *shape: int) -> Tensor:
    return like.new_empty(shape, dtype=torch.float32)


def _grid(rays: list[Tensor]) -> tuple[int, int]:
    batch, count, _ = rays[2].shape
    return triton.cdiv(count, RAYS), batch


def _arguments(
    texels: Tensor, rays: list[Tensor], layers: list[Tensor], scene: Scene
) -> tuple[Any, ...]:
    """Return the inputs of both passes."""
    _, count, samples = rays[2].shape
    _, height, width, _, _ = texels.shape
    return (
        texels,
        pieces.Rays(*rays, count, samples),
        pieces.Layers(*layers, int(len(layers[0]) > 1)),
        pieces.Space(height, width, float(scene.side), float(scene.gain)),
    )


def _constants(
    texels: Tensor, layers: list[Tensor], scene: Scene, with_weights: bool
) -> dict[str, Any]:
    """Return what both kernels are compiled for."""
    (_, hidden, channels), outputs = layers[0].shape, layers[2].shape[1]
    return {
        "C": channels,
        "H": hidden,
        "COLORS": outputs - 1,
        "AXES": sum(axis << (2 * index) for index, axis in enumerate(scene.axes)),
        "MASKED": scene.masked,
        "WEIGHTS": with_weights,
        "PRECISION": precision_of(texels),
        "RB": RAYS,
        "CB": block_of(channels),
        "HB": block_of(hidden),
        "OB": block_of(outputs - 1),
        "num_warps": WARPS,
    }
