"""`bias_act` in few passes over the pixels, in PyTorch."""

import torch
from torch import Tensor
from torch.nn import functional as F


def bias_act_folded(
    x: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    slope: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    """Compute `clamp(gain * leaky_relu(x * scale + bias))` with the gain folded into operands."""
    # A positive gain commutes with the leaky ReLU, so it is folded into the small operands.
    offset = (bias * gain).to(x.dtype)[..., None, None]
    if scale is not None:
        x = torch.addcmul(offset, x, (scale * gain).to(x.dtype)[:, :, None, None])
    else:
        x = x + offset if gain == 1 else torch.add(offset, x, alpha=gain)
    if slope != 1:
        x = F.leaky_relu(x, slope, inplace=True)
    return x if clamp is None else x.clamp(-clamp, clamp)
