"""Kernel of `upfirdn2d`: the filter over a picture that is upsampled or thinned out on the way.

The way back of upsampling is thinning out, with the filter turned, and the other way round: one
kernel computes both, and gradients of any order. Block sizes are not measured on a GPU.
"""

# pyright: reportCallIssue=false, reportGeneralTypeIssues=false, reportArgumentType=false
# Kernels are called through Triton, which takes them for functions of their own arguments.

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from itportrait.kernels.running import as_pixels, block_of, on_device_of

ELEMENTS = 512
"""Elements of one program."""


# fmt: off
@triton.jit
def resample(
    x, taps, y, height, width, out_height, out_width, channels,
    stride_pixel, stride_channel, out_stride_pixel, out_stride_channel, before,
    UP: tl.constexpr, DOWN: tl.constexpr, SIZE: tl.constexpr, PB: tl.constexpr, CB: tl.constexpr,
):
    # fmt: on
    """Sum taps over the pixels of `x`, which lie UP apart, at every DOWN-th place."""
    n = tl.program_id(2).to(tl.int64)
    p = tl.program_id(0) * PB + tl.arange(0, PB)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    inside, channel = p < out_height * out_width, c < channels
    row, column = p // out_width, p % out_width
    total = tl.zeros([PB, CB], tl.float32)
    x += n * height * width * channels
    for i in tl.static_range(SIZE):
        for j in tl.static_range(SIZE):
            # `UP * SIZE` more keeps what is divided from being negative.
            v = row * DOWN + i - before + UP * SIZE
            u = column * DOWN + j - before + UP * SIZE
            source_row, source_column = v // UP - SIZE, u // UP - SIZE
            there = inside & (v % UP == 0) & (u % UP == 0)
            there &= (source_row >= 0) & (source_row < height)
            there &= (source_column >= 0) & (source_column < width)
            pixel = source_row * width + source_column
            at = pixel[:, None] * stride_pixel + c[None, :] * stride_channel
            value = tl.load(x + at, mask=there[:, None] & channel[None, :], other=0.0)
            total += tl.load(taps + i * SIZE + j) * value.to(tl.float32)
    at = n * out_height * out_width * channels
    at += p[:, None] * out_stride_pixel + c[None, :] * out_stride_channel
    tl.store(y + at, total, mask=inside[:, None] & channel[None, :])


def upfirdn2d_triton(
    x: Tensor, kernel: Tensor, up: int, padding: tuple[int, int], gain: float
) -> Tensor:
    """Insert zeros, pad, filter; differentiable any number of times, in `x`."""
    taps = (kernel.detach().float() * gain).flip(0, 1).contiguous()
    height, width = (up * side + sum(padding) - len(kernel) + 1 for side in x.shape[2:])
    return _Resample.apply(x, taps, up, 1, padding[0], (height, width))


class _Resample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, taps: Tensor, up: int, down: int, before: int, size: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(taps)
        ctx.way = up, down, before, tuple(x.shape[2:])
        x, (_, channels, *strides) = as_pixels(x)
        last = strides[1] == 1
        layout = torch.channels_last if last else torch.contiguous_format
        shape = len(x), channels, *size
        y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
        across = min(block_of(channels), 64) if last else 1
        block = ELEMENTS // across
        grid = triton.cdiv(size[0] * size[1], block), triton.cdiv(channels, across), len(x)
        out_strides = (channels, 1) if last else (1, size[0] * size[1])
        if y.numel():
            with on_device_of(x):
                resample[grid](
                    *(x, taps, y, *x.shape[2:], *size, channels, *strides, *out_strides, before),
                    UP=up,
                    DOWN=down,
                    SIZE=len(taps),
                    PB=block,
                    CB=across,
                )
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (taps,) = ctx.saved_tensors
        up, down, before, size = ctx.way
        turned, start = taps.flip(0, 1).contiguous(), len(taps) - 1 - before
        return _Resample.apply(grad, turned, down, up, start, size), *[None] * 5
