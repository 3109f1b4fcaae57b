"""`upfirdn2d`: upsample, then filter; a depthwise convolution does both at once.

Kept in `channels_last` where the input is: on a CPU that halves the time of the whole layer.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.ops.upfirdn2d.reference import upfirdn2d_reference


def resample_filter() -> Tensor:
    """Return StyleGAN2's smoothing filter, `[4, 4]`: [1, 3, 3, 1] x [1, 3, 3, 1], of sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / taps.sum().square()


def upfirdn2d(
    x: Tensor,
    kernel: Tensor,
    *,
    up: int = 1,
    padding: tuple[int, int] = (0, 0),
    gain: float = 1.0,
) -> Tensor:
    """Insert `up - 1` zeros after every pixel, pad, and convolve each channel with a filter.

    Args:
        x: `[N, C, H, W]`.
        kernel: `[K, K]`.
        up: 1 or 2.
        padding: zeros before and after, the same in both directions.
        gain: factor on the result.

    Returns:
        `[N, C, H', W']` with `H' = up * H + sum(padding) - K + 1`.

    Raises:
        InvalidArgumentError: another `up`, or a result without pixels.
    """
    if up not in (1, 2):
        raise InvalidArgumentError("up", expected="1 or 2", actual=up)
    size = kernel.shape[0]
    if min(up * side + sum(padding) - size + 1 for side in x.shape[2:]) < 1:
        raise InvalidArgumentError(
            "x", expected=f"of at least {size} pixels after padding", actual=list(x.shape)
        )
    before, after = padding
    channels = x.shape[1]
    if up == 1 and before == after:
        weight = _per_channel((kernel * gain).flip(0, 1), channels, x)
        return F.conv2d(x, weight, padding=before, groups=channels)
    # A transposed convolution gives the full response: up * (H - 1) + K pixels, of which the
    # first `K - 1 - before` and the last ones beyond `after` fall away.
    first, last = size - 1 - before, size - up - after
    if up == 2 and last >= 0 and first - last in (0, 1):
        weight = _per_channel(kernel * gain, channels, x)
        return F.conv_transpose2d(
            x, weight, stride=2, padding=first, output_padding=first - last, groups=channels
        )
    return upfirdn2d_reference(x, kernel, up, padding, gain)


def upsample2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Upsample `[N, C, H, W]` by two: each pixel keeps its weight of 1, spread by `kernel`."""
    size = kernel.shape[0]
    return upfirdn2d(x, kernel, up=2, padding=((size + 1) // 2, (size - 2) // 2), gain=4.0)


def _per_channel(kernel: Tensor, channels: int, x: Tensor) -> Tensor:
    return kernel.to(device=x.device, dtype=x.dtype).expand(channels, 1, -1, -1)
