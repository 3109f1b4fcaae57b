"""`bias_act`: the end of every synthesis layer, with as few passes over the pixels as possible."""

import math

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.bias_act.folded import bias_act_folded
from itportrait.ops.bias_act.reference import bias_act_reference
from itportrait.ops.dispatch import AUTO, Implementation, Op
from itportrait.ops.gpu import triton_kernel

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2)

BIAS_ACT = Op(
    "bias_act",
    bias_act_reference,
    [
        triton_kernel("itportrait.kernels.bias_act", "bias_act_triton"),
        Implementation("folded", bias_act_folded),
    ],
)


def bias_act(
    x: Tensor,
    bias: Tensor,
    *,
    scale: Tensor | None = None,
    slope: float = LEAKY_SLOPE,
    gain: float = LEAKY_GAIN,
    clamp: float | None = None,
    backend: str = AUTO,
) -> Tensor:
    """Compute `clamp(gain * leaky_relu(x * scale + bias))`.

    Args:
        x: `[N, C, H, W]`.
        bias: `[C]`, or `[N, C]`: one of its own for each sample.
        scale: `[N, C]`, such as the demodulation of a convolution, or none.
        slope: of the negative side; 1 is no activation.
        gain: positive factor after the activation.
        clamp: largest magnitude of the result, or none.
        backend: `auto`, `triton` (on a CUDA device), `folded` or `reference`.

    Returns:
        `[N, C, H, W]`, of the type of `x`.

    Raises:
        InvalidArgumentError: `bias` or `scale` does not fit `x`, `gain` is not positive, or there
            is no such backend.
        NativeOpError: `triton` was asked for and cannot be used.
    """
    if bias.shape not in (x.shape[1:2], x.shape[:2]):
        raise InvalidArgumentError("bias", expected=f"[{x.shape[1]}]", actual=list(bias.shape))
    if scale is not None and scale.shape != x.shape[:2]:
        raise InvalidArgumentError(
            "scale", expected=str(list(x.shape[:2])), actual=list(scale.shape)
        )
    if gain <= 0:
        raise InvalidArgumentError("gain", expected="positive", actual=gain)
    return BIAS_ACT(x, bias, scale, slope, gain, clamp, backend=backend)
