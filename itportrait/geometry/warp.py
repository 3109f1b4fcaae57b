"""Warp pictures from one camera to another through the depth that both of them see.

Convention: a generator's depth is the distance along the pixel's unit ray; the z of a pinhole
camera is that distance times the cosine between the ray and the optical axis. At the corner of an
FFHQ crop the distance is 1.4 % longer: taken for z there, it moves a pixel of a neighboring view by
about one hundredth of the picture. Here z is z, and every function says which of the two it takes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import unpack_camera
from itportrait.geometry.rays import camera_rays

_MIN_Z = 1e-6
"""Points nearer to a camera's plane than this are not in front of it."""
_MIN_COSINE = 0.05
"""Surfaces are seen at least this much from the side, for ratios to be finite."""


def ray_cosines(camera: Tensor, resolution: int) -> Tensor:
    """Return the cosine between each pixel's ray and the optical axis.

    Args:
        camera: `[N, 25]`.
        resolution: pixels along each side, R.

    Returns:
        `[N, 1, R, R]`, 1 at the principal point.
    """
    _, directions = camera_rays(camera, resolution)
    axis = unpack_camera(camera)[0][:, :3, 2]
    cosines = directions @ axis[:, :, None]
    return cosines.view(len(camera), 1, resolution, resolution)


def depth_to_z(depth: Tensor, camera: Tensor) -> Tensor:
    """Turn distances along rays `[N, 1, R, R]` into distances along the optical axis."""
    return depth * ray_cosines(camera, _side(depth, camera))


def lift(depth: Tensor, camera: Tensor) -> Tensor:
    """Return the world points `[N, R*R, 3]` that pixels show, row by row.

    Args:
        depth: `[N, 1, R, R]` distance along each pixel's ray.
        camera: `[N, 25]`.

    Raises:
        InvalidArgumentError: `depth` is no square map, or not one for each camera.
    """
    origins, directions = camera_rays(camera, _side(depth, camera))
    return origins + depth.flatten(1)[:, :, None] * directions


def project(points: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """Project world points through cameras.

    Args:
        points: `[N, M, 3]`.
        camera: `[N, 25]`.

    Returns:
        `(positions [N, M, 2], z [N, M])`: x to the right and y down in widths of the picture, from
        0 to 1 inside of it; z along the optical axis, not positive behind the camera (the position
        then means nothing).
    """
    cam2world, intrinsics = unpack_camera(camera)
    local = (points - cam2world[:, None, :3, 3]) @ cam2world[:, :3, :3]
    z = local[..., 2]
    flat = local / z.clamp_min(_MIN_Z)[..., None]
    return (flat @ intrinsics.transpose(1, 2))[..., :2], z


def warp(
    image: Tensor,
    *,
    source_depth: Tensor,
    source_camera: Tensor,
    target_depth: Tensor,
    target_camera: Tensor,
    tolerance: float,
) -> tuple[Tensor, Tensor]:
    """Show a picture from another camera, where what that camera sees is visible in the picture.

    Every pixel of the new view is lifted by its depth, and takes the color of the place in the
    picture where its point lies. The point is visible there if the picture's own depth at that
    place is the point's, within the tolerance. Nothing is seen beyond the outermost pixel centers.

    Args:
        image: `[N, C, S, S]` as the source camera sees it.
        source_depth: `[N, 1, R, R]` distance along the rays of the source camera.
        source_camera: `[N, 25]`.
        target_depth: `[N, 1, T, T]` distance along the rays of the target camera.
        target_camera: `[N, 25]`.
        tolerance: largest difference of z at which two points are the same, in world units.

    Returns:
        `(warped [N, C, T, T], visible [N, 1, T, T])`: `visible` is 1 where the point is seen and
        0 elsewhere; the colors of what is not seen mean nothing.

    Raises:
        InvalidArgumentError: a depth is no square map, or not one for each camera.
    """
    side = _side(target_depth, target_camera)
    positions, z = project(lift(target_depth, target_camera), source_camera)
    grid = (2 * positions - 1).view(len(image), side, side, 2)
    warped = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    source_z = F.grid_sample(
        depth_to_z(source_depth, source_camera), grid, padding_mode="border", align_corners=False
    )
    z = z.view_as(source_z)
    margin = 0.5 / min(image.shape[-1], source_depth.shape[-1])
    inside = (positions.sub(0.5).abs() <= 0.5 - margin).all(2).view_as(source_z)
    visible = inside & (z > _MIN_Z) & ((z - source_z).abs() <= tolerance)
    return warped, visible.to(image.dtype)


def turn_between(points: Tensor, camera: Tensor, other: Tensor) -> Tensor:
    """Return the angle in radians, `[N, M]`, under which points `[N, M, 3]` see two cameras."""
    first, second = (
        F.normalize(unpack_camera(c)[0][:, None, :3, 3] - points, dim=2) for c in (camera, other)
    )
    return torch.atan2(torch.linalg.cross(first, second).norm(dim=2), (first * second).sum(2))


def foreshortening(depth: Tensor, camera: Tensor, other: Tensor) -> Tensor:
    """Return how much smaller surfaces look from another camera than from the depth's own.

    A surface is taken for the plane through its pixel's neighbors. A picture says little of what it
    shows much smaller than another view does.

    Args:
        depth: `[N, 1, R, R]` distance along the rays of `camera`.
        camera: `[N, 25]`.
        other: `[N, 25]`.

    Returns:
        `[N, 1, R, R]`, the cosine between the surface's normal and the direction to `other` over
        the same for `camera`: 1 for equal, above 1 where the surface faces `other` more, negative
        where it faces away.
    """
    side = _side(depth, camera)
    points = lift(depth, camera).view(len(depth), side, side, 3)
    padded = F.pad(points.permute(0, 3, 1, 2), (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1)
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    along = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    normal = F.normalize(torch.linalg.cross(along, across), dim=3)
    here, there = (
        (F.normalize(unpack_camera(c)[0][:, None, None, :3, 3] - points, dim=3) * normal).sum(3)
        for c in (camera, other)
    )
    sign = torch.where(here < 0, -1.0, 1.0)
    return (sign * there / here.abs().clamp_min(_MIN_COSINE))[:, None]


def _side(depth: Tensor, camera: Tensor) -> int:
    if depth.ndim != 4 or depth.shape[1] != 1 or depth.shape[2] != depth.shape[3]:
        raise InvalidArgumentError("depth", expected="[N, 1, R, R]", actual=list(depth.shape))
    if len(depth) != len(camera):
        raise InvalidArgumentError(
            "depth", expected=f"one map for each of {len(camera)} cameras", actual=len(depth)
        )
    return depth.shape[-1]
