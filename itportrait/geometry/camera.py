"""Cameras as EG3D's 25-vector: the only place where it is packed, unpacked and made.

What comes from elsewhere passes `geometry.conventions` first.

Convention: camera-to-world; the world is right-handed with y up; the camera looks along its own
+z, its x points right and its y down (OpenCV axes). Intrinsics are normalized by the image size.
Yaw and pitch are zero for the frontal camera; positive yaw moves the camera to +x, positive pitch
down. Numeric example: `look_at_camera(0.0, 0.0, FFHQ_ORBIT)` is `frontal_camera(FFHQ_ORBIT)`:
position (0, 0, 2.7), focal 4.2647.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.orbit import CAMERA_DIM, FFHQ_ORBIT, Orbit

_POLE_MARGIN_RAD = 1e-5


def check_camera(camera: Tensor) -> None:
    """Refuse what is not a batch of 25-vectors.

    Raises:
        InvalidArgumentError: not of shape `[N, 25]`.
    """
    if camera.ndim != 2 or camera.shape[1] != CAMERA_DIM:
        raise InvalidArgumentError(
            "camera",
            expected="of shape [N, 25]",
            actual=str(list(camera.shape)),
            remedy="pack it with pack_camera()",
        )


def pack_camera(cam2world: Tensor, intrinsics: Tensor) -> Tensor:
    """Pack pose and intrinsics into camera vectors.

    Args:
        cam2world: `[N, 4, 4]` camera-to-world.
        intrinsics: `[N, 3, 3]` normalized by the image size.

    Returns:
        `[N, 25]`: both row-major, the pose first.

    Raises:
        InvalidArgumentError: other shapes.
    """
    for name, value, size in (("cam2world", cam2world, 4), ("intrinsics", intrinsics, 3)):
        if value.ndim != 3 or value.shape[1:] != (size, size):
            raise InvalidArgumentError(
                name, expected=f"of shape [N, {size}, {size}]", actual=str(list(value.shape))
            )
    return torch.cat([cam2world.flatten(1), intrinsics.flatten(1)], dim=1)


def unpack_camera(camera: Tensor) -> tuple[Tensor, Tensor]:
    """Return `(cam2world [N, 4, 4], intrinsics [N, 3, 3])` of camera vectors `[N, 25]`.

    Raises:
        InvalidArgumentError: not of shape `[N, 25]`.
    """
    check_camera(camera)
    return camera[:, :16].view(-1, 4, 4), camera[:, 16:].view(-1, 3, 3)


def fov_to_focal(fov_deg: float) -> float:
    """Return the focal length, over the image size, of a full field of view in degrees."""
    return 0.5 / math.tan(math.radians(fov_deg) / 2)


def make_intrinsics(focal: Tensor) -> Tensor:
    """Return `[N, 3, 3]` intrinsics with the principal point in the middle, for focal `[N]`."""
    intrinsics = focal.new_zeros(len(focal), 3, 3)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    intrinsics[:, 0, 2] = intrinsics[:, 1, 2] = 0.5
    intrinsics[:, 2, 2] = 1
    return intrinsics


def look_at_camera(
    yaw_rad: Tensor | float, pitch_rad: Tensor | float, orbit: Orbit = FFHQ_ORBIT
) -> Tensor:
    """Make cameras on a sphere about the origin that look at its pivot. Differentiable.

    Args:
        yaw_rad: scalar or `[N]`; positive to +x.
        pitch_rad: scalar or `[N]`; positive down. Equal steps of pitch are equal steps of height:
            the height is `-radius * 2 * pitch / pi`.
        orbit: of the generator's family.

    Returns:
        `[N, 25]`, N by broadcasting.

    Source:
        The look-at pose sampler of EG3D (Chan et al., CVPR 2022).
    """
    given = [torch.as_tensor(v) for v in (yaw_rad, pitch_rad, orbit.radius, orbit.focal)]
    like = next((v for v in (yaw_rad, pitch_rad) if isinstance(v, Tensor)), None)
    dtype, device = (like.dtype, like.device) if like is not None else (torch.float32, None)
    yaw, pitch, distance, focals = torch.broadcast_tensors(
        *(v.to(device=device, dtype=dtype).reshape(-1) for v in given)
    )
    polar = (math.pi / 2 + pitch).clamp(_POLE_MARGIN_RAD, math.pi - _POLE_MARGIN_RAD)
    height = 1 - 2 * polar / math.pi
    ring = (1 - height.square()).sqrt()
    position = distance[:, None] * torch.stack([ring * yaw.sin(), height, ring * yaw.cos()], dim=1)
    target = torch.as_tensor(orbit.pivot, dtype=dtype, device=device).expand_as(position)
    forward = F.normalize(target - position, dim=1)
    world_up = torch.tensor([0.0, 1.0, 0.0], dtype=dtype, device=device).expand_as(forward)
    right = -F.normalize(torch.linalg.cross(world_up, forward), dim=1)
    down = F.normalize(torch.linalg.cross(forward, right), dim=1)
    top = torch.stack([right, down, forward, position], dim=2)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=dtype, device=device).expand(len(top), 1, 4)
    return pack_camera(torch.cat([top, bottom], dim=1), make_intrinsics(focals))


def frontal_camera(orbit: Orbit = FFHQ_ORBIT, device: torch.device | str | None = None) -> Tensor:
    """Return the camera of yaw and pitch 0, `[1, 25]` float32.

    Where the pivot lies straight ahead, its rotation is exact, as in the published cameras.
    """
    if orbit.pivot[:2] != (0.0, 0.0):
        return look_at_camera(0.0, 0.0, orbit).to(device)
    camera = torch.zeros(1, CAMERA_DIM, device=device)
    for index, value in (
        (0, 1.0),
        (5, -1.0),
        (10, -1.0),
        (11, orbit.radius),
        (15, 1.0),
        (16, orbit.focal),
        (18, 0.5),
        (20, orbit.focal),
        (21, 0.5),
        (24, 1.0),
    ):
        camera[0, index] = value
    return camera


def mirror_camera(camera: Tensor) -> Tensor:
    """Return the cameras `[N, 25]` that see a mirrored head in mirrored pictures.

    The head is mirrored at the world's plane x = 0, and the picture left for right.

    Raises:
        InvalidArgumentError: not of shape `[N, 25]`.
    """
    cam2world, intrinsics = unpack_camera(camera)
    world = torch.diag(camera.new_tensor([-1.0, 1.0, 1.0, 1.0]))
    pose = world @ cam2world @ world
    mirrored = intrinsics.clone()
    mirrored[:, 0, 2] = 1 - intrinsics[:, 0, 2]
    mirrored[:, 0, 1] = -intrinsics[:, 0, 1]
    return pack_camera(pose, mirrored)


def camera_angles(camera: Tensor) -> tuple[Tensor, Tensor]:
    """Return `(yaw_rad [N], pitch_rad [N])` of where cameras stand: `look_at_camera`'s inverse.

    The angles are those of the position on its sphere about the origin, so they do not depend on
    the pivot; a roll, or a gaze past the pivot, is not seen.

    Raises:
        InvalidArgumentError: not of shape `[N, 25]`.
    """
    position = unpack_camera(camera)[0][:, :3, 3]
    yaw = torch.atan2(position[:, 0], position[:, 2])
    height = position[:, 1] / position.norm(dim=1).clamp_min(1e-12)
    return yaw, -height * (math.pi / 2)
