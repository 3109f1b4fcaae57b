"""The camera as the aligner gives it, plus six small corrections that inversion may learn."""

import math

import torch
from torch import Tensor

from itportrait.geometry.camera import pack_camera, unpack_camera
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit

CORRECTIONS = ("yaw", "pitch", "roll", "shift_x", "shift_y", "shift_z")
"""Order of the corrections' columns."""
EXPECTED_ERROR = (math.radians(4), math.radians(4), math.radians(3), 0.012, 0.012, 0.08)
"""What 1 means in each column: the aligner's error on five points (angles in radians), and shifts
of the camera in units of FFHQ's world: across its axis 0.012, about 2 % of the crop at the face;
along it 0.08, about 3 % of the head's size, because five points scale wide and narrow faces alike.
"""


def correct_camera(camera: Tensor, correction: Tensor, orbit: Orbit = FFHQ_ORBIT) -> Tensor:
    """Move cameras around the face's pivot, roll them and shift them. Differentiable.

    Args:
        camera: `[N, 25]`.
        correction: `[N, 6]` in units of `EXPECTED_ERROR`: yaw about the world's y axis and pitch
            about the camera's x axis (both about the orbit's pivot, so that the face stays in the
            frame), roll about the optical axis, shift along the camera's x, y and z.
        orbit: of the generator's family; shifts grow with the size of its heads and its distances.

    Returns:
        `[N, 25]`; equal to `camera` where the correction is zero. Intrinsics are never touched.

    Raises:
        InvalidArgumentError: `camera` is not of shape `[N, 25]`.
    """
    pose, intrinsics = unpack_camera(camera)
    size, far = orbit.head_scale, orbit.distance_scale
    unit = correction.new_tensor(EXPECTED_ERROR) * correction.new_tensor([1, 1, 1, size, size, far])
    values = correction * unit
    yaw, pitch, roll = values[:, :3].unbind(1)
    rotation, position = pose[:, :3, :3], pose[:, :3, 3]
    zero = torch.zeros_like(yaw)
    y_axis = torch.stack([zero, torch.ones_like(yaw), zero], 1)
    turn = _rotation(y_axis, yaw)
    turn = _rotation((turn @ rotation)[:, :, 0], pitch) @ turn
    pivot = camera.new_tensor(orbit.pivot)
    position = pivot + (turn @ (position - pivot)[:, :, None])[:, :, 0]
    rotation = turn @ rotation
    position = position + (rotation @ values[:, 3:, None])[:, :, 0]
    rotation = _rotation(rotation[:, :, 2], roll) @ rotation
    upper = torch.cat([rotation, position[:, :, None]], 2)
    return pack_camera(torch.cat([upper, pose[:, 3:]], 1), intrinsics)


def _rotation(axis: Tensor, angle: Tensor) -> Tensor:
    """Return `[N, 3, 3]` rotations by `angle [N]` about unit axes `[N, 3]` (Rodrigues)."""
    x, y, z = axis.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).view(-1, 3, 3)
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return eye + sine * cross + (1 - cosine) * (cross @ cross)
