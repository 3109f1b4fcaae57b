"""The definition of `modulated_conv2d`: weights of its own for every sample."""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.ops.bias_act.reference import bias_act_reference
from itportrait.ops.modulated_conv.demodulation import EPSILON
from itportrait.ops.upfirdn2d.reference import upfirdn2d_reference


def modulated_conv2d_reference(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    demodulate: bool,
    up: int,
    kernel: Tensor | None,
) -> Tensor:
    """Convolve each sample with `weight * style`, normalized where asked; see `op`."""
    batch, _, height, width = x.shape
    out_channels, in_channels, size = weight.shape[-4:-1]
    own = weight if weight.ndim == 5 else weight[None]
    weights = own * styles[:, None, :, None, None]
    if demodulate:
        weights = weights * (weights.square().sum((2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    x = x.reshape(1, batch * in_channels, height, width)
    if up == 1:
        weights = weights.reshape(batch * out_channels, in_channels, size, size)
        out = F.conv2d(x, weights, padding=size // 2, groups=batch)
        return out.view(batch, out_channels, height, width)
    weights = weights.transpose(1, 2).reshape(batch * in_channels, out_channels, size, size)
    out = F.conv_transpose2d(x, weights, stride=2, groups=batch)
    assert isinstance(kernel, Tensor)
    smooth = upfirdn2d_reference(out, kernel, 1, (1, 1), 4.0)
    return torch.reshape(smooth, (batch, out_channels, 2 * height, 2 * width))


def modulated_layer_reference(
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
    """Convolve with weights of its own for every sample, then noise, bias, activation and clamp."""
    out = modulated_conv2d_reference(x, weight, styles, demodulate, up, kernel)
    out = out if noise is None else out + noise
    return bias_act_reference(out, bias, None, slope, gain, clamp)
