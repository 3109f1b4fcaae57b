"""`modulated_conv2d` with 3 x 3 weights on a CPU, in native code: the whole layer in one pass.

Winograd's convolution takes a quarter of the products; styles are multiplied in as patches are
read, and scale, noise, bias, activation and clamp follow while an output pixel is in registers. In
a layer that doubles the size neighbors share products too, and of the large picture between
transposed convolution and filter only a few rows exist at a time. The backward pass needs the
layer's input and output alone.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from itportrait import native
from itportrait.errors import InvalidArgumentError
from itportrait.ops.dispatch import admit_cpu_float32
from itportrait.ops.large_pages import empty_in_large_pages
from itportrait.ops.loader import open_library
from itportrait.ops.modulated_conv.demodulation import demodulation

SOURCE = Path(native.__file__).with_name("modulated_conv") / "cpu.cpp"
LANES = 16
"""Channels that are computed at once; their numbers must be multiples of it."""
LEAST_TILES = 24
"""Output tiles of 4 x 4 pixels, over the batch, below which a convolution by the library is
quicker: with few tiles, a layer's time is that of reading its weights, which are four times
more. Layers that double the size are quicker than the library's at any size."""
WEIGHTS_PER_TILE = 4096
"""Pairs of channels for which one tile more is needed."""


def modulated_conv2d_cpu(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    *,
    demodulate: bool,
    up: int,
    kernel: Tensor | None,
    slope: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    """Convolve, with the styles, then noise, bias, activation and clamp; see `op`.

    float32, differentiable once, in everything but the kernel.
    """
    with torch.autocast("cpu", enabled=False):  # it would hand over products of half precision
        ones = styles.new_ones(len(x), len(weight))
        scale = demodulation(weight, styles) if demodulate else ones
    bias = bias.expand(len(x), -1)
    if noise is not None:
        noise = noise.expand(1, *noise.shape) if noise.ndim == 2 else noise.flatten(0, 1)
    smooth = None if up == 1 or kernel is None else 4 * kernel.detach().flip(0, 1).contiguous()
    return _Layer.apply(x, weight, smooth, styles, scale, bias, noise, slope, gain, clamp)


def refusal(tensors: list[Tensor]) -> str:
    """Return why tensors are not admitted: `x`, `weight` and the others, in this order."""
    if (reason := admit_cpu_float32(tensors)) or len(tensors) < 2:
        return reason
    x, weight = tensors[:2]
    if weight.shape[-1] != 3 or weight.ndim != 4:
        return f"takes 3 x 3 weights for the whole batch, got {list(weight.shape)}"
    if not x.numel() or not weight.numel():
        return (
            f"takes at least one pixel and one channel, got {list(x.shape)}, {list(weight.shape)}"
        )
    outputs, inputs = weight.shape[:2]
    if inputs % LANES or outputs % LANES:
        return f"takes multiples of {LANES} channels, got {inputs} and {outputs}"
    if _doubles(tensors):
        return ""
    tiles = len(x) * -(-x.shape[2] // 4) * -(-x.shape[3] // 4)
    least = max(LEAST_TILES, inputs * outputs // WEIGHTS_PER_TILE)
    return f"takes at least {least} tiles of 4 x 4 pixels, got {tiles}" if tiles < least else ""


def _doubles(tensors: list[Tensor]) -> bool:
    """Return whether there is a filter among the arguments, which alone tell layers that double.

    Noise of four pixels cannot be told from a filter, and counts as noise.
    """
    x, more = tensors[0], tensors[4:]
    return len(more) == 2 or [each.shape for each in more] == [(4, 4)] != [x.shape[2:]]


class _Layer(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        smooth: Tensor | None,
        styles: Tensor,
        scale: Tensor,
        bias: Tensor,
        noise: Tensor | None,
        slope: float,
        gain: float,
        clamp: float | None,
    ) -> Tensor:
        x = x.permute(0, 2, 3, 1).contiguous()
        styles, scale, bias = (each.contiguous() for each in (styles, scale, bias))
        noise = None if noise is None else noise.contiguous()
        weight = weight.contiguous()
        side = 1 if smooth is None else 2
        y = x.new_empty(len(x), side * x.shape[1], side * x.shape[2], len(weight))
        packed = pack(weight, side, turned=False)
        ctx.activation = (slope, gain, -1.0 if clamp is None else clamp)
        _library().modulated_conv_forward(
            *_pointers(x, styles, packed, smooth, scale, bias, noise, y),
            *(*x.shape, len(weight), 0 if noise is None else len(noise)),
            *ctx.activation,
            torch.get_num_threads(),
        )
        ctx.save_for_backward(x, y, weight, smooth, styles, scale, bias, noise)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, _, weight, smooth, styles, *_ = ctx.saved_tensors
        needs_x, needs_weight, _, needs_styles, *_ = ctx.needs_input_grad
        grad_z, *grads = _before_activation(ctx, grad)
        sizes, threads = (*x.shape, len(weight)), torch.get_num_threads()
        grad_x = grad_styles = grad_weight = None
        if needs_x or needs_styles:
            grad_x = torch.empty_like(x) if needs_x else None
            grad_styles = torch.zeros_like(styles)
            packed = pack(weight, 1 if smooth is None else 2, turned=True)
            _library().modulated_conv_backward_input(
                *_pointers(grad_z, packed, smooth, x, styles, grad_x, grad_styles), *sizes, threads
            )
        if needs_weight:
            grad_taps = x.new_empty(9, x.shape[3], len(weight))
            _library().modulated_conv_backward_taps(
                *_pointers(x, styles, grad_z, smooth, grad_taps), *sizes, threads
            )
            grad_weight = grad_taps.permute(2, 1, 0).unflatten(2, (3, 3))
        grad_x = None if grad_x is None else grad_x.permute(0, 3, 1, 2)
        return grad_x, grad_weight, None, grad_styles, *grads, None, None, None


def _before_activation(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients of the convolution's result, of scale, of bias and of noise."""
    _, y, _, _, _, scale, bias, noise = ctx.saved_tensors
    grad_z = torch.empty_like(y)
    grad_scale, grad_bias = torch.zeros_like(scale), torch.zeros_like(bias)
    grad_noise = y.new_empty(y.shape[:3]) if ctx.needs_input_grad[6] else None
    grad = grad.permute(0, 2, 3, 1).contiguous()
    batch, height, width, outputs = y.shape
    _library().modulated_conv_activation(
        *_pointers(y, grad, scale, bias, noise, grad_z, grad_scale, grad_bias, grad_noise),
        *(batch, height * width, outputs, 0 if noise is None else len(noise)),
        *ctx.activation,
        torch.get_num_threads(),
    )
    if grad_noise is not None and noise is not None and len(noise) == 1:
        grad_noise = grad_noise.sum(0, keepdim=True)
    return grad_z, grad_scale, grad_bias, grad_noise


def pack(weight: Tensor, up: int, *, turned: bool) -> Tensor:
    """Return weights `[O, I, 3, 3]` transformed and laid out as the native code reads them.

    Args:
        weight: of the layer.
        up: 2 for a layer that doubles the size.
        turned: whether for the way back, from outputs to inputs.
    """
    outputs, inputs = weight.shape[:2]
    packed = empty_in_large_pages(((36 if up == 1 else 16) * outputs * inputs,), weight)
    _library().modulated_conv_pack(
        *_pointers(weight, packed), outputs, inputs, up, turned, torch.get_num_threads()
    )
    return packed


@cache
def _library() -> ctypes.CDLL:
    library = open_library(SOURCE)
    pointer, integer, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
    for name, pointers, integers, numbers in (
        ("pack", 2, 4, 0),
        ("forward", 8, 6, 3),
        ("activation", 9, 4, 3),
        ("backward_input", 7, 5, 0),
        ("backward_taps", 5, 5, 0),
    ):
        function = getattr(library, f"modulated_conv_{name}")
        function.argtypes = [
            *[pointer] * pointers,
            *[integer] * integers,
            *[number] * numbers,
            integer,
        ]
        function.restype = None
    return library


def _pointers(*tensors: Tensor | None) -> list[int | None]:
    """Return addresses, of float32 in one run of memory alone: native code reads nothing else."""
    for tensor in tensors:
        if tensor is not None and not (tensor.dtype == torch.float32 and tensor.is_contiguous()):
            raise InvalidArgumentError(
                "tensor",
                expected="contiguous float32",
                actual=f"{tensor.dtype} {list(tensor.shape)} of strides {tensor.stride()}",
            )
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]
