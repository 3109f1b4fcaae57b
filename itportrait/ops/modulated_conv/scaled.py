"""`modulated_conv2d` in the scaling form, in PyTorch.

Scaling the input channels by the styles and the output channels by the demodulation equals
convolving with modulated weights, without a copy of the weights for every sample: one ordinary
convolution for the whole batch. (A 1 x 1 convolution has so few weights that the copy is cheaper.)
Weights that differ from sample to sample take one convolution with a group for each of them; on a
CPU, where such convolutions are slow (twice the time of a 128 px super-resolution), one for each.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.ops.bias_act import bias_act
from itportrait.ops.large_pages import multiply_into_large_pages
from itportrait.ops.modulated_conv.demodulation import demodulation
from itportrait.ops.upfirdn2d import upfirdn2d

RUN = 4096
"""Pixels whose products are summed at once in a gradient of 1 x 1 weights."""


def modulated_conv2d_scaled(
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
    """Convolve, with the styles, then noise, bias, activation and clamp; see `op`."""
    if x.dtype == torch.float16 and demodulate:
        largest = weight.abs().amax((-3, -2, -1), keepdim=True)
        weight = weight / (largest * weight.shape[-3:].numel() ** 0.5)
        styles = styles / styles.abs().amax(1, keepdim=True)
    scale = None
    if demodulate:
        scale = demodulation(weight, styles)
    if weight.shape[-1] == 1:
        x = _convolve_points(x, weight[..., 0, 0] * styles[:, None, :])
    else:
        x = x * styles.to(x.dtype)[:, :, None, None]
        x = _convolve(x, weight.to(x.dtype), up, kernel)
    if noise is not None:
        # Noise joins after demodulation; it alone needs the pass that bias_act else saves.
        if scale is not None:
            x, scale = (
                torch.addcmul(noise.to(x.dtype), x, scale.to(x.dtype)[:, :, None, None]),
                None,
            )
        else:
            x = x + noise.to(x.dtype)
    return bias_act(x, bias, scale=scale, slope=slope, gain=gain, clamp=clamp)


def _convolve(x: Tensor, weight: Tensor, up: int, kernel: Tensor | None) -> Tensor:
    if weight.ndim == 5:
        return _convolve_each(x, weight, up, kernel)
    if up == 1 or kernel is None:
        return F.conv2d(x, weight, padding=weight.shape[2] // 2)
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return upfirdn2d(x, kernel, padding=(1, 1), gain=4.0)


def _convolve_each(x: Tensor, weight: Tensor, up: int, kernel: Tensor | None) -> Tensor:
    """Convolve each sample with its own weights `[N, O, I, K, K]`."""
    if x.device.type == "cpu":
        pairs = zip(x.split(1), weight, strict=True)
        return torch.cat([_convolve(sample, own, up, kernel) for sample, own in pairs])
    batch, out_channels, in_channels, size, _ = weight.shape
    x = x.reshape(1, batch * in_channels, *x.shape[2:])
    if up == 1 or kernel is None:
        grouped = weight.reshape(batch * out_channels, in_channels, size, size)
        out = F.conv2d(x, grouped, padding=size // 2, groups=batch)
        return out.view(batch, out_channels, *out.shape[2:])
    grouped = weight.transpose(1, 2).reshape(batch * in_channels, out_channels, size, size)
    out = F.conv_transpose2d(x, grouped, stride=2, groups=batch)
    out = out.view(batch, out_channels, *out.shape[2:])
    return upfirdn2d(out, kernel, padding=(1, 1), gain=4.0)


def _convolve_points(x: Tensor, weights: Tensor) -> Tensor:
    """Convolve 1 x 1 with weights per sample `[N, O, I]`: one product, no scaled copy of `x`."""
    batch, _, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height * width, -1)
    weights = weights.to(x.dtype)
    if x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        out = cast(Tensor, _Points.apply(rows, weights))
    else:
        out = rows @ weights.transpose(1, 2)
    return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


class _Points(torch.autograd.Function):
    """`rows [N, P, I]` times `weights [N, O, I]`, with a gradient of the weights made for a CPU.

    Its sum goes over all pixels of a picture, and its result is tiny: the library multiplies the
    transposed rows with the gradients up to ten times slower than the other way around in runs.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        return multiply_into_large_pages(rows, weights.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        rows, weights = ctx.saved_tensors
        needs_rows, needs_weights = ctx.needs_input_grad
        multiply = torch.matmul if torch.is_grad_enabled() else multiply_into_large_pages
        return (
            multiply(grad, weights) if needs_rows else None,
            _summed_products(grad, rows) if needs_weights else None,
        )


def _summed_products(left: Tensor, right: Tensor) -> Tensor:
    """Return `[N, O, I]`: of `[N, P, O]` and `[N, P, I]`, products summed over P run by run."""
    batch, pixels, _ = left.shape
    runs = pixels // RUN if pixels % RUN == 0 else 1
    pairs = [each.reshape(batch * runs, pixels // runs, -1) for each in (left, right)]
    products = pairs[0].transpose(1, 2) @ pairs[1]
    return products.unflatten(0, (batch, runs)).sum(1)
