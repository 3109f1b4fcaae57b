"""Kernels of `bias_act`: scale, bias, leaky ReLU, gain and clamp in one pass over the pixels.

A picture is read as pixels x channels, whatever its memory format: the two strides say which of
them lie side by side. Block sizes are not measured on a GPU.
"""

# pyright: reportCallIssue=false
# Kernels are called through Triton, which takes them for functions of their own arguments.

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from itportrait.kernels.running import as_pixels, block_of, on_device_of

ELEMENTS = 1024
"""Elements of one program."""


# fmt: off
@triton.jit
def forward(
    x, bias, scale, y, pixels, channels, stride_pixel, stride_channel, bias_rows,
    slope, gain, clamp, SCALED: tl.constexpr, CLAMPED: tl.constexpr,
    PB: tl.constexpr, CB: tl.constexpr,
):
    # fmt: on
    """Compute `clamp(gain * leaky_relu(x * scale + bias))` of a block of pixels and channels."""
    n = tl.program_id(2).to(tl.int64)
    p = tl.program_id(0) * PB + tl.arange(0, PB)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    at = n * pixels * channels + p[:, None] * stride_pixel + c[None, :] * stride_channel
    mask = (p < pixels)[:, None] & (c < channels)[None, :]
    z = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    if SCALED:
        factor = tl.load(scale + n * channels + c, mask=c < channels, other=0.0).to(tl.float32)
        z *= factor[None, :]
    offset = tl.load(bias + n * bias_rows * channels + c, mask=c < channels, other=0.0)
    z += offset.to(tl.float32)[None, :]
    z = tl.where(z > 0, z, z * slope) * gain
    if CLAMPED:
        z = tl.minimum(tl.maximum(z, -clamp), clamp)
    tl.store(y + at, z, mask=mask)


# fmt: off
@triton.jit
def backward(
    x, bias, scale, grad, grad_x, sums, pixels, channels, stride_pixel, stride_channel, bias_rows,
    slope, gain, clamp, SCALED: tl.constexpr, CLAMPED: tl.constexpr,
    PB: tl.constexpr, CB: tl.constexpr,
):
    # fmt: on
    """Compute the gradient of `x`, and a block's sums of those of bias and scale."""
    n = tl.program_id(2).to(tl.int64)
    p = tl.program_id(0) * PB + tl.arange(0, PB)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    at = n * pixels * channels + p[:, None] * stride_pixel + c[None, :] * stride_channel
    mask = (p < pixels)[:, None] & (c < channels)[None, :]
    value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    offset = tl.load(bias + n * bias_rows * channels + c, mask=c < channels, other=0.0)
    factor = tl.full([CB], 1.0, tl.float32)
    if SCALED:
        factor = tl.load(scale + n * channels + c, mask=c < channels, other=0.0).to(tl.float32)
    z = value * factor[None, :] + offset.to(tl.float32)[None, :]
    slopes = tl.where(z > 0, gain, gain * slope)
    if CLAMPED:
        slopes = tl.where(tl.abs(z * slopes) <= clamp, slopes, 0.0)
    grad_z = tl.load(grad + at, mask=mask, other=0.0).to(tl.float32) * slopes
    tl.store(grad_x + at, grad_z * factor[None, :], mask=mask)
    blocks = tl.num_programs(0)
    row = (n * blocks + tl.program_id(0)) * channels + c
    tl.store(sums + row, tl.sum(grad_z, axis=0), mask=c < channels)
    if SCALED:
        total = tl.num_programs(2) * blocks * channels
        tl.store(sums + total + row, tl.sum(grad_z * value, axis=0), mask=c < channels)


def bias_act_triton(
    x: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    slope: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    """Compute `clamp(gain * leaky_relu(x * scale + bias))`; differentiable any number of times."""
    return _BiasAct.apply(x, bias, scale, slope, gain, clamp)


class _BiasAct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        bias: Tensor,
        scale: Tensor | None,
        slope: float,
        gain: float,
        clamp: float | None,
    ) -> Tensor:
        ctx.save_for_backward(x, bias, scale)
        ctx.activation = slope, gain, clamp
        x, sizes, grid, constants = _layout(x, scale, clamp)
        bias, scale = bias.contiguous(), bias if scale is None else scale.contiguous()
        y = torch.empty_like(x)
        if y.numel():
            with on_device_of(x):
                forward[grid](
                    x, bias, scale, y, *sizes, bias.ndim - 1, slope, gain, clamp or 0.0, **constants
                )
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, bias, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is to be differentiated itself
            return *_differentiable(grad, x, bias, scale, *ctx.activation), None, None, None
        slope, gain, clamp = ctx.activation
        x, sizes, grid, constants = _layout(x, scale, clamp)
        grad = grad.to(x.dtype).contiguous(memory_format=_format(x))
        grad_x, kinds = torch.empty_like(x), 1 if scale is None else 2
        sums = x.new_zeros(kinds, len(x), grid[0], x.shape[1], dtype=torch.float32)
        bias, factor = bias.contiguous(), bias if scale is None else scale.contiguous()
        if grad_x.numel():
            with on_device_of(x):
                backward[grid](
                    *(x, bias, factor, grad, grad_x, sums, *sizes, bias.ndim - 1),
                    *(slope, gain, clamp or 0.0),
                    **constants,
                )
        sums = sums.sum(2)
        grad_bias = (sums[0] if bias.ndim == 2 else sums[0].sum(0)).to(bias.dtype)
        grad_scale = None if scale is None else sums[1].to(scale.dtype)
        return grad_x, grad_bias, grad_scale, None, None, None


def _differentiable(
    grad: Tensor,
    x: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    slope: float,
    gain: float,
    clamp: float | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradients of `x`, bias and scale by the library, which can differentiate them."""
    factor = None if scale is None else scale[:, :, None, None]
    with torch.no_grad():
        z = (x if factor is None else x * factor) + bias[..., None, None]
        slopes = torch.where(z > 0, gain, gain * slope)
        if clamp is not None:
            slopes = slopes.masked_fill((z * slopes).abs() > clamp, 0)
    grad_z = grad * slopes.to(grad.dtype)
    grad_bias = grad_z.sum((2, 3) if bias.ndim == 2 else (0, 2, 3)).to(bias.dtype)
    if factor is None or scale is None:
        return grad_z, grad_bias, None
    return grad_z * factor, grad_bias, (grad_z * x).sum((2, 3)).to(scale.dtype)


def _format(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _layout(
    x: Tensor, scale: Tensor | None, clamp: float | None
) -> tuple[Tensor, tuple[int, ...], tuple[int, int, int], dict[str, Any]]:
    """Return `x` in one run of memory, its sizes and strides, the grid and what is compiled for."""
    x, sizes = as_pixels(x)
    pixels, channels, _, stride_channel = sizes
    across = min(block_of(channels), 64) if stride_channel == 1 else 1
    constants = {
        "SCALED": scale is not None,
        "CLAMPED": clamp is not None,
        "PB": ELEMENTS // across,
        "CB": across,
    }
    grid = triton.cdiv(pixels, ELEMENTS // across), triton.cdiv(channels, across), len(x)
    return x, sizes, grid, constants
