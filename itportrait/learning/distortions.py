"""Parts of which random distortions of pictures are made; all are differentiable."""

import torch
from torch import Tensor
from torch.nn import functional as F


def placement(turn_rad: Tensor, size: Tensor, shift: Tensor) -> Tensor:
    """Return affine maps `[N, 2, 3]` from distorted pictures to their originals.

    Args:
        turn_rad: `[N]` angles.
        size: `[N]` shares of the picture's side that are seen; below 1 is closer.
        shift: `[N, 2]` to the right and downwards; 2 is a whole side.
    """
    cosine, sine = turn_rad.cos() * size, turn_rad.sin() * size
    rows = [
        torch.stack([cosine, -sine, shift[:, 0]], 1),
        torch.stack([sine, cosine, shift[:, 1]], 1),
    ]
    return torch.stack(rows, 1)


def seen_through(image: Tensor, place: Tensor) -> Tensor:
    """Return pictures `[N, 3, H, W]` seen through affine maps; edges are repeated.

    Args:
        image: `[N, 3, H, W]`.
        place: `[N, 2, 3]` from `placement`, on any device.
    """
    grid = F.affine_grid(place.to(image.device), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def mixed_colors(image: Tensor, mix: Tensor, shade: Tensor) -> Tensor:
    """Return pictures whose color channels are mixed and then shifted.

    Args:
        image: `[N, 3, H, W]`.
        mix: `[N, 3, 3]`; the identity leaves colors as they are.
        shade: `[N, 3, 1, 1]`, added afterwards.
    """
    mixed = torch.einsum("nij,njhw->nihw", mix.to(image.device), image)
    return mixed + shade.to(image.device)
