"""`modulated_conv2d`: the synthesis layer of StyleGAN2, in the scaling form.

Scaling the input channels by the styles and the output channels by the demodulation equals
convolving with modulated weights, without a copy of the weights for every sample: one ordinary
convolution for the whole batch. (A 1 x 1 convolution has so few weights that the copy is cheaper.)
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.ops.bias_act import bias_act
from itportrait.ops.modulated_conv.reference import EPSILON
from itportrait.ops.upfirdn2d import upfirdn2d


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    bias: Tensor,
    noise: Tensor | None = None,
    demodulate: bool = True,
    up: int = 1,
    kernel: Tensor | None = None,
    slope: float = 0.2,
    gain: float = 2**0.5,
    clamp: float | None = None,
) -> Tensor:
    """Convolve, with the styles, then noise, bias, activation and clamp.

    Args:
        x: `[N, I, H, W]`.
        weight: `[O, I, K, K]`, K odd.
        styles: `[N, I]`, a factor per input channel.
        bias: `[O]`.
        noise: `[H', W']` or `[N, 1, H', W']`, added before the bias.
        demodulate: whether each output channel's weights are scaled to unit norm.
        up: 1 or 2; 2 is a transposed convolution (of K = 3) smoothed with `kernel`.
        kernel: `[4, 4]`, needed for `up=2`.
        slope, gain, clamp: as in `bias_act`.

    Returns:
        `[N, O, H', W']` with `H' = up * H`.

    Raises:
        InvalidArgumentError: shapes that do not fit, another `up`, or `up=2` without `kernel`.

    Source:
        StyleGAN2 (Karras et al., CVPR 2020), section 2.2. In half precision weights and styles
        are first divided by their largest magnitude, as StyleGAN2-ADA does, so that the sums do
        not overflow; demodulation cancels it.
    """
    _check(x, weight, styles, up, kernel)
    if x.dtype == torch.float16 and demodulate:
        largest = weight.abs().amax((1, 2, 3), keepdim=True)
        weight = weight / (largest * weight[0].numel() ** 0.5)
        styles = styles / styles.abs().amax(1, keepdim=True)
    scale = None
    if demodulate:
        exact = torch.promote_types(weight.dtype, torch.float32)
        norms = weight.to(exact).square().sum((2, 3))
        scale = (styles.to(exact).square() @ norms.t() + EPSILON).rsqrt()
    if weight.shape[2] == 1:
        x = _convolve_points(x, weight[:, :, 0, 0] * styles[:, None, :])
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
    if up == 1 or kernel is None:
        return F.conv2d(x, weight, padding=weight.shape[2] // 2)
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return upfirdn2d(x, kernel, padding=(1, 1), gain=4.0)


def _convolve_points(x: Tensor, weights: Tensor) -> Tensor:
    """Convolve 1 x 1 with weights per sample `[N, O, I]`: one product, no scaled copy of `x`."""
    batch, _, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height * width, -1)
    out = rows @ weights.to(x.dtype).transpose(1, 2)
    return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _check(x: Tensor, weight: Tensor, styles: Tensor, up: int, kernel: Tensor | None) -> None:
    if weight.ndim != 4 or weight.shape[1] != x.shape[1] or weight.shape[2] % 2 == 0:
        raise InvalidArgumentError(
            "weight", expected=f"[O, {x.shape[1]}, K, K] with odd K", actual=list(weight.shape)
        )
    if styles.shape != x.shape[:2]:
        raise InvalidArgumentError(
            "styles", expected=str(list(x.shape[:2])), actual=list(styles.shape)
        )
    if up not in (1, 2) or (up == 2 and (kernel is None or weight.shape[2] != 3)):
        raise InvalidArgumentError(
            "up", expected="1, or 2 with a kernel and 3 x 3 weights", actual=up
        )
