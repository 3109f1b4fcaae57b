"""Mirrored cameras: what a mirrored picture was taken with."""

from torch import Tensor

from itportrait.geometry.camera import pack_camera, unpack_camera


def mirror_camera(camera: Tensor) -> Tensor:
    """Return the cameras `[N, 25]` of the horizontally mirrored pictures."""
    cam2world, intrinsics = unpack_camera(camera)
    flip = camera.new_tensor([-1.0, 1.0, 1.0, 1.0])
    mirrored = intrinsics.clone()
    mirrored[:, 0, 1] = -intrinsics[:, 0, 1]
    mirrored[:, 0, 2] = 1 - intrinsics[:, 0, 2]
    return pack_camera(flip[:, None] * cam2world * flip, mirrored)
