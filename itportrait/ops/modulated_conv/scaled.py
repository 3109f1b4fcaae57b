"""`modulated_conv2d` in the scaling form, in PyTorch.

Scaling the input channels by the styles and the output channels by the demodulation equals
convolving with modulated weights, without a copy of the weights for every sample: one ordinary
convolution for the whole batch. (A 1 x 1 convolution has so few weights that the copy is cheaper.)
Weights that differ from sample to sample take one convolution with a group for each of them; on a
CPU, where such convolutions are slow (twice the time of a 128 px super-resolution), one for each.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.ops.bias_act import bias_act
from itportrait.ops.modulated_conv.demodulation import demodulation
from itportrait.ops.upfirdn2d import upfirdn2d


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
    out = rows @ weights.to(x.dtype).transpose(1, 2)
    return out.view(batch, height, width, -1).permute(0, 3, 1, 2)
