"""The definition of `upfirdn2d`: insert zeros, pad, filter."""

import torch
from torch import Tensor
from torch.nn import functional as F


def upfirdn2d_reference(
    x: Tensor, kernel: Tensor, up: int, padding: tuple[int, int], gain: float
) -> Tensor:
    """Insert `up - 1` zeros after every pixel, pad, convolve; arguments as in `op.upfirdn2d`."""
    batch, channels, height, width = x.shape
    sparse = x.new_zeros(batch, channels, height, up, width, up)
    sparse[:, :, :, 0, :, 0] = x
    sparse = sparse.reshape(batch, channels, height * up, width * up)
    before, after = padding
    padded = F.pad(sparse, (before, after, before, after))
    weight = torch.flip((kernel * gain).to(x.dtype), (0, 1)).expand(channels, 1, -1, -1)
    return F.conv2d(padded, weight, groups=channels)
