"""Rays through pixel centers, and where they meet the box of the tri-planes."""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.geometry.camera import unpack_camera


def camera_rays(camera: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """Return the rays of every pixel, row by row.

    Args:
        camera: `[N, 25]`.
        resolution: pixels along each side, R. Centers are at `(i + 0.5) / R`.

    Returns:
        `(ray_origins [N, R*R, 3], ray_directions [N, R*R, 3])` in the world; directions are unit
        vectors, so a depth along a ray is a distance. Differentiable in the camera.

    Raises:
        InvalidArgumentError: `camera` is not of shape `[N, 25]`.
    """
    cam2world, intrinsics = unpack_camera(camera)
    ticks = (torch.arange(resolution, device=camera.device, dtype=camera.dtype) + 0.5) / resolution
    v, u = (grid.reshape(1, -1) for grid in torch.meshgrid(ticks, ticks, indexing="ij"))
    focal_x, skew, center_x = (intrinsics[:, 0, i, None] for i in range(3))
    focal_y, center_y = intrinsics[:, 1, 1, None], intrinsics[:, 1, 2, None]
    y = (v - center_y) / focal_y
    x = (u - center_x - skew * y) / focal_x
    local = torch.stack([x, y, torch.ones_like(x)], dim=2)
    directions = F.normalize(local @ cam2world[:, :3, :3].transpose(1, 2), dim=2)
    return cam2world[:, None, :3, 3].expand_as(directions), directions


def box_limits(ray_origins: Tensor, ray_directions: Tensor, side: float) -> tuple[Tensor, Tensor]:
    """Return where rays enter and leave the cube of `side` about the origin (slab method).

    Args:
        ray_origins: `[..., 3]`.
        ray_directions: `[..., 3]`.
        side: length of the cube's edge.

    Returns:
        `(near [..., 1], far [..., 1])`; `near >= far` for a ray that misses.
    """
    tiny = torch.finfo(ray_directions.dtype).tiny
    inverse = 1 / torch.where(ray_directions.abs() < tiny, tiny, ray_directions)
    first, second = (-side / 2 - ray_origins) * inverse, (side / 2 - ray_origins) * inverse
    near = torch.minimum(first, second).amax(dim=-1, keepdim=True)
    far = torch.maximum(first, second).amin(dim=-1, keepdim=True)
    return near, far
