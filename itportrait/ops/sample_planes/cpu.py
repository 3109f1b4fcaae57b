"""`sample_planes` on a CPU in native code.

The library's grid sample gathers one channel at a time; ours reads a texel's channels as one run,
straight from the channels-last memory that the backbone leaves, and never stores the three samples.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from itportrait import native
from itportrait.ops.loader import open_library
from itportrait.ops.sample_planes.reference import Axes

SOURCE = Path(native.__file__).with_name("sample_planes") / "cpu.cpp"


def sample_planes_cpu(planes: Tensor, points: Tensor, axes: Axes) -> Tensor:
    """Sample and average; float32, differentiable once, in planes and points."""
    return _SamplePlanes.apply(planes, points, axes)


class _SamplePlanes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, points: Tensor, axes: Axes) -> Tensor:
        texels = planes.permute(0, 3, 4, 1, 2)  # [N, H, W, 3, C]: no copy of channels-last planes
        texels, points = texels.contiguous(), points.contiguous()
        ctx.save_for_backward(texels, points)
        ctx.axes = axes
        out = texels.new_empty(points.shape[0] * points.shape[1], planes.shape[2])
        _library().sample_planes_forward(
            *_pointers(texels, points, out), *_sizes(texels, points), _axes(axes), _threads()
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        texels, points = ctx.saved_tensors
        grad_texels = torch.zeros_like(texels) if ctx.needs_input_grad[0] else None
        grad_points = torch.empty_like(points) if ctx.needs_input_grad[1] else None
        _library().sample_planes_backward(
            *_pointers(texels, points, grad.contiguous(), grad_texels, grad_points),
            *_sizes(texels, points),
            _axes(ctx.axes),
            _threads(),
        )
        planes = None if grad_texels is None else grad_texels.permute(0, 3, 4, 1, 2)
        return planes, grad_points, None


@cache
def _library() -> ctypes.CDLL:
    library = open_library(SOURCE)
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    tail = [integer] * 5 + [ctypes.POINTER(integer), integer]
    for function, pointers in (
        (library.sample_planes_forward, 3),
        (library.sample_planes_backward, 5),
    ):
        function.argtypes, function.restype = [pointer] * pointers + tail, None
    return library


def _pointers(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def _sizes(texels: Tensor, points: Tensor) -> tuple[int, ...]:
    batch, height, width, _, channels = texels.shape
    return batch, points.shape[1], channels, height, width


def _axes(axes: Axes) -> Any:
    return (ctypes.c_int64 * 6)(*(axis for plane in axes for axis in plane))


def _threads() -> int:
    return torch.get_num_threads()
