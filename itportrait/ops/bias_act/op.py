"""`bias_act`: the end of every synthesis layer, with as few passes over the pixels as possible."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2)


def bias_act(
    x: Tensor,
    bias: Tensor,
    *,
    scale: Tensor | None = None,
    slope: float = LEAKY_SLOPE,
    gain: float = LEAKY_GAIN,
    clamp: float | None = None,
) -> Tensor:
    """Compute `clamp(gain * leaky_relu(x * scale + bias))`.

    Args:
        x: `[N, C, H, W]`.
        bias: `[C]`.
        scale: `[N, C]`, such as the demodulation of a convolution, or none.
        slope: of the negative side; 1 is no activation.
        gain: positive factor after the activation.
        clamp: largest magnitude of the result, or none.

    Returns:
        `[N, C, H, W]`, of the type of `x`.

    Raises:
        InvalidArgumentError: `bias` or `scale` does not fit `x`, or `gain` is not positive.
    """
    if bias.shape != x.shape[1:2]:
        raise InvalidArgumentError("bias", expected=f"[{x.shape[1]}]", actual=list(bias.shape))
    if scale is not None and scale.shape != x.shape[:2]:
        raise InvalidArgumentError(
            "scale", expected=str(list(x.shape[:2])), actual=list(scale.shape)
        )
    if gain <= 0:
        raise InvalidArgumentError("gain", expected="positive", actual=gain)
    # A positive gain commutes with the leaky ReLU, so it is folded into the small operands.
    offset = (bias * gain).to(x.dtype)[:, None, None]
    if scale is not None:
        x = torch.addcmul(offset, x, (scale * gain).to(x.dtype)[:, :, None, None])
    else:
        x = x + offset if gain == 1 else torch.add(offset, x, alpha=gain)
    if slope != 1:
        x = F.leaky_relu(x, slope, inplace=True)
    return x if clamp is None else x.clamp(-clamp, clamp)
