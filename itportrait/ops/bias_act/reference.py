"""The definition of `bias_act`, step by step."""

from torch import Tensor
from torch.nn import functional as F


def bias_act_reference(
    x: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    slope: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    """Compute `clamp(gain * leaky_relu(x * scale + bias))`; arguments as in `op.bias_act`."""
    if scale is not None:
        x = x * scale[:, :, None, None]
    x = F.leaky_relu(x + bias[..., None, None], slope) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)
