"""The definition of `sample_planes`: three grid samples and a mean."""

import torch
from torch import Tensor
from torch.nn import functional as F

Axes = tuple[tuple[int, int], ...]


def sample_planes_reference(planes: Tensor, points: Tensor, axes: Axes) -> Tensor:
    """Sample bilinearly, zeros outside, and average; arguments as in `op.sample_planes`."""
    batch, _, channels, height, width = planes.shape
    order = torch.tensor([axis for plane in axes for axis in plane], device=points.device)
    grid = points.index_select(2, order).unflatten(2, (3, 2)).transpose(1, 2)
    features = F.grid_sample(
        planes.reshape(batch * 3, channels, height, width),
        grid.reshape(batch * 3, 1, -1, 2).to(planes.dtype),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    mean = features.view(batch, 3, channels, -1).mean(1)
    return mean.transpose(1, 2).reshape(-1, channels)
