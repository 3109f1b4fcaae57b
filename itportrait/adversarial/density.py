"""The density regularizer: neighboring points should be about equally dense."""

import torch
from torch import Tensor

from itportrait.adversarial.config import AdversarialConfig
from itportrait.generator import Generator


def density_difference(
    generator: Generator, planes: Tensor, config: AdversarialConfig, rng: torch.Generator
) -> Tensor:
    """Return the mean absolute difference of the density between points and their neighbors.

    Args:
        generator: whose density it is.
        planes: its scenes, with gradients.
        config: number of points, their extent, and the distance of neighbors.
        rng: CPU generator of the points.

    Source:
        EG3D's density regularization (Chan et al., CVPR 2022, supplement): 1000 points in
        [-1, 1]^3, and each again with noise of 0.004.
    """
    count = len(planes)
    extent = generator.box_warp / 2 if config.density_extent is None else config.density_extent
    shape = (count, config.density_points, 3)
    points = (torch.rand(shape, generator=rng) * 2 - 1) * extent
    neighbors = points + torch.randn(shape, generator=rng) * config.density_distance
    together = torch.cat([points, neighbors], dim=1).to(planes.device)
    sigma, _ = generator.sample(together, planes)
    here, there = sigma.chunk(2, dim=1)
    return (here - there).abs().mean()
