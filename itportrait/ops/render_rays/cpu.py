"""`render_rays` and `render_refined` on a CPU in native code.

The chain of library calls stores features, hidden units and colors of every sample, and passes over
each several times. Ours takes a tile of sixteen rays, which read the planes together, sixteen
depths after another, and asks for the next texels while it decodes those that are there. A sample's
hidden units are kept until the shares of light are known: a sample that both passes render is
decoded once, and one that no light reaches is not decoded. The way back marches again, so that what
is kept does not grow with the rays.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from itportrait import native
from itportrait.ops.decode_features.each import layer_rows
from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.dispatch import admit_cpu_float32
from itportrait.ops.loader import open_library
from itportrait.ops.render_rays.reference import Composite, Space

SOURCE = Path(native.__file__).with_name("render_rays") / "cpu.cpp"
WIDTHS = ((32, 64, 32), (32, 64, 0), (16, 32, 16), (16, 32, 0))
"""Channels, hidden units and colors that the native code is compiled for."""
_MOST_FLOATS = 2**31 - 1
"""Texels of one sample are told apart by 32-bit offsets."""


def refusal(tensors: list[Tensor]) -> str:
    """Return why tensors are not admitted: planes, rays, depths and layers, in this order."""
    if (reason := admit_cpu_float32(tensors)) or len(tensors) < 8:
        return reason
    planes, weight1, weight2 = tensors[0], tensors[4], tensors[6]
    widths = planes.shape[2], weight1.shape[-2], weight2.shape[-2] - 1
    if widths not in WIDTHS:
        known = "; ".join(", ".join(map(str, each)) for each in WIDTHS)
        return f"takes channels, hidden units and colors of {known}, got {widths}"
    if (numbers := planes.shape[1:].numel()) > _MOST_FLOATS:
        return f"takes planes of at most {_MOST_FLOATS} numbers, got {numbers}"
    return ""


def render_rays_cpu(
    planes: Tensor,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    hidden: Layer,
    output: Layer,
    space: Space,
    with_weights: bool,
) -> Composite:
    """Sample, decode and composite; float32, differentiable once, in all but the depths."""
    rays = planes, origins, directions, depths.detach()
    return _render(rays, layer_rows(hidden, output), space, with_weights)[0]


def render_refined_cpu(
    planes: Tensor,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    hidden: Layer,
    output: Layer,
    quantiles: Tensor,
    space: Space,
    keep: int,
    with_weights: bool,
) -> tuple[Composite, Tensor]:
    """Do both passes in one: a sample that both render is decoded once."""
    rays = planes, origins, directions, depths.detach()
    layers = layer_rows(hidden, output)
    return _render(rays, layers, space, with_weights, quantiles.detach(), keep)


def _render(
    rays: Sequence[Tensor],
    layers: Sequence[Tensor],
    space: Space,
    with_weights: bool,
    quantiles: Tensor | None = None,
    keep: int = 1,
) -> tuple[Composite, Tensor]:
    features, alpha, distance, weights, depths = _RenderRays.apply(
        *rays, *layers, space, with_weights, quantiles, keep
    )
    found = weights if with_weights else None
    return Composite(features, alpha[..., None], distance[..., None], found), depths


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
        space: Space,
        with_weights: bool,
        quantiles: Tensor | None,
        keep: int,
    ) -> tuple[Tensor, ...]:
        texels = planes.permute(0, 3, 4, 1, 2).contiguous()  # no copy of channels-last planes
        rays = [t.contiguous() for t in (origins, directions, depths)]
        quantiles = None if quantiles is None else quantiles.contiguous()
        layers = [t.contiguous() for t in (weight1, bias1, weight2, bias2)]
        batch, count = depths.shape[:2]
        rendered = _rendered_depths(rays[2], quantiles, keep)
        outputs = [
            texels.new_empty(batch, count, bias2.shape[1] - 1),
            texels.new_empty(batch, count),
            texels.new_empty(batch, count),
            texels.new_empty(batch, count, rendered.shape[2] - 1 if with_weights else 0),
        ]
        scene, library = _scene(texels, depths, space), _library()
        for n in range(batch if count else 0):
            decoder = _decoder(layers, n)
            library.render_rays_forward(
                texels[n].data_ptr(),
                _pointers([t[n] for t in rays]),
                ctypes.byref(scene),
                _pointers(decoder),
                ctypes.byref(_refinement(quantiles, keep, rendered, n)),
                _pointers([t[n] for t in outputs[: 3 + with_weights]], 4),
                *_widths(layers),
                torch.get_num_threads(),
            )
        ctx.save_for_backward(texels, *rays[:2], rendered, *layers)
        ctx.space, ctx.with_weights = space, with_weights
        drawn = rendered if quantiles is not None else rendered.new_empty(0)
        ctx.mark_non_differentiable(drawn)
        return *outputs, drawn

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        texels, *rest = ctx.saved_tensors
        rays, layers = rest[:3], rest[3:]
        needs = ctx.needs_input_grad
        found = _Gradients(texels, rays, layers, needs[0], needs[1] or needs[2], any(needs[4:8]))
        given = [grad.contiguous() for grad in grads[: 3 + ctx.with_weights]]
        scene, library = _scene(texels, rays[2], ctx.space), _library()
        for n in range(len(texels) if rays[0].shape[1] else 0):
            decoder = _decoder(layers, n)
            moved = (None if t is None else t[n] for t in (found.origins, found.directions))
            parts = found.begin(n)
            library.render_rays_backward(
                texels[n].data_ptr(),
                _pointers([t[n] for t in rays]),
                ctypes.byref(scene),
                _pointers(decoder),
                _pointers([t[n] for t in given], 4),
                _pointers(parts),
                *_addresses(*moved),
                *_widths(layers),
                found.threads,
            )
            found.end(n)
        planes = None if found.texels is None else found.texels.permute(0, 3, 4, 1, 2)
        kept = planes, found.origins, found.directions, None, *found.layers, *[None] * 4
        return tuple(grad if need else None for grad, need in zip(kept, needs))


class _Gradients:
    """What threads add up for one sample of the batch after another: each has parts of its own."""

    def __init__(
        self,
        texels: Tensor,
        rays: list[Tensor],
        layers: list[Tensor],
        wants_texels: bool,
        wants_rays: bool,
        wants_layers: bool,
    ) -> None:
        self.threads = torch.get_num_threads()
        self.texels = torch.zeros_like(texels) if wants_texels else None
        self.origins = torch.zeros_like(rays[0]) if wants_rays else None
        self.directions = torch.zeros_like(rays[1]) if wants_rays else None
        self.layers = [torch.zeros_like(t) if wants_layers else None for t in layers]
        self._texels = texels.new_empty(self.threads - 1 if wants_texels else 0, *texels.shape[1:])
        self._layers = [t.new_empty(self.threads, *t.shape[1:]) for t in layers if wants_layers]

    def begin(self, n: int) -> list[Tensor | None]:
        """Return for every thread texels, first layer, density's row, the colors' rows."""
        for part in (self._texels, *self._layers):
            part.zero_()
        found: list[Tensor | None] = []
        for thread in range(self.threads):
            texels = self.texels
            if texels is not None:
                texels = self._texels[thread - 1] if thread else texels[n]
            found += [texels, *_rows([t[thread] for t in self._layers] or [None] * 4)]
        return found

    def end(self, n: int) -> None:
        """Add up what the threads have found for a sample."""
        if self.texels is not None:
            for part in self._texels:
                self.texels[n] += part
        for total, parts in zip(self.layers, self._layers):
            if total is not None:
                total[n % len(total)] += parts.sum(0)


def _rows(layers: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return weight and bias of the first layer, of the density, and of the colors."""
    weight1, bias1, weight2, bias2 = layers
    if weight2 is None or bias2 is None:
        return [None] * 6
    return [weight1, bias1, weight2[0], bias2[:1], weight2[1:], bias2[1:]]


def _decoder(layers: list[Tensor], n: int) -> list[Tensor | None]:
    """Return a sample's layers as `decoder.h` has them."""
    weight1, bias1, density, density_bias, weight2, bias2 = _rows([t[n % len(t)] for t in layers])
    assert weight1 is not None
    assert weight2 is not None
    turned = weight1.t().contiguous(), weight2.t().contiguous()
    return [turned[0], bias1, density, density_bias, turned[1], bias2, weight1, weight2]


class _Scene(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("count", "samples", "height", "width")),
        ("axes", ctypes.c_int64 * 6),
        ("side", ctypes.c_float),
        ("gain", ctypes.c_float),
        ("masked", ctypes.c_bool),
    )


class _Refinement(ctypes.Structure):
    _fields_ = (
        ("quantiles", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("stride", "count", "keep")),
        ("depths", ctypes.c_void_p),
    )


def _rendered_depths(depths: Tensor, quantiles: Tensor | None, keep: int) -> Tensor:
    """Return the depths, or room for them where fine samples are to be merged with them."""
    if quantiles is None:
        return depths
    kept = -(-depths.shape[2] // keep)
    return depths.new_empty(*depths.shape[:2], kept + quantiles.shape[-1])


def _refinement(quantiles: Tensor | None, keep: int, depths: Tensor, n: int) -> _Refinement:
    if quantiles is None:
        return _Refinement(keep=1)
    count = quantiles.shape[-1]
    given = quantiles if quantiles.ndim == 1 else quantiles[n]
    stride = count if quantiles.ndim == 3 else 0
    return _Refinement(given.data_ptr(), stride, count, keep, depths[n].data_ptr())


def _scene(texels: Tensor, depths: Tensor, space: Space) -> _Scene:
    axes = (ctypes.c_int64 * 6)(*(axis for plane in space.axes for axis in plane))
    numbers = *depths.shape[1:], *texels.shape[1:3]
    return _Scene(*numbers, axes, space.box_warp, space.density_gain, space.mask_outside)


@cache
def _library() -> ctypes.CDLL:
    library = open_library(SOURCE)
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    for function, pointers in (
        (library.render_rays_forward, 6),
        (library.render_rays_backward, 8),
    ):
        function.argtypes, function.restype = [pointer] * pointers + [integer] * 4, None
    return library


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def _pointers(tensors: Sequence[Tensor | None], count: int = 0) -> Any:
    """Return an array of the tensors' addresses, filled up with nulls to `count`."""
    found = _addresses(*tensors)
    found += [None] * (count - len(found))
    return (ctypes.c_void_p * len(found))(*found)


def _widths(layers: list[Tensor]) -> tuple[int, int, int]:
    weight1, _, weight2, _ = layers
    return weight1.shape[2], weight1.shape[1], weight2.shape[1] - 1
