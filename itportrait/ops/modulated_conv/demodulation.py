"""The factor that brings each output channel's modulated weights to unit norm."""

import torch
from torch import Tensor

EPSILON = 1e-8


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """Return the factor of each sample's output channels, `[N, O]`, in at least single precision.

    Args:
        weight: `[O, I, K, K]` or `[N, O, I, K, K]`.
        styles: `[N, I]`.
    """
    exact = torch.promote_types(weight.dtype, torch.float32)
    norms = weight.to(exact).square().sum((-2, -1))
    squares = styles.to(exact).square()
    own = norms.ndim == 3  # weights, and so norms, of its own for each sample
    sums = (norms @ squares[:, :, None])[:, :, 0] if own else squares @ norms.t()
    return (sums + EPSILON).rsqrt()
