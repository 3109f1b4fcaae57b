"""Marching along rays: from densities at sorted samples to the weights that composite them."""

import torch
from torch import Tensor
from torch.nn import functional as F


def march_weights(depths: Tensor, sigma: Tensor, density_gain: float) -> Tensor:
    """Return the weight of each interval between sorted samples.

    Args:
        depths: `[N, M, K]`, ascending.
        sigma: decoder's density `[N, M, K]`, before the softplus.
        density_gain: factor on the density.

    Returns:
        `[N, M, K - 1]`, not negative, of sum at most 1.
    """
    middle = 0.5 * (sigma[..., 1:] + sigma[..., :-1])
    density = F.softplus(middle - 1)
    if density_gain != 1:
        density = density * density_gain
    alpha = 1 - torch.exp(-density * (depths[..., 1:] - depths[..., :-1]))
    passed = torch.cumprod(1 - alpha + 1e-10, dim=-1)
    return alpha * F.pad(passed[..., :-1], (1, 0), value=1.0)


def sample_weights(weights: Tensor) -> Tensor:
    """Turn weights of K - 1 intervals into weights of the K samples whose mid-points they bear."""
    return 0.5 * (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1)))
