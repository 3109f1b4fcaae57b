"""Cameras of a turntable, and frames from them."""

import math

import numpy as np
import torch
from torch import Tensor

from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.image import to_uint8
from itportrait.styles import BoundStyle


def turntable_cameras(frames: int, orbit: Orbit, *, yaw_deg: float, pitch_deg: float) -> Tensor:
    """Return cameras on a flat ellipse around the frontal one; the last precedes the first.

    Args:
        frames: number of cameras.
        orbit: of the generator's family.
        yaw_deg: largest yaw, reached at both sides.
        pitch_deg: largest pitch, reached when the yaw is 0.

    Returns:
        `[frames, 25]`.
    """
    phase = torch.arange(frames) * (2 * math.pi / frames)
    yaw = math.radians(yaw_deg) * phase.sin()
    pitch = math.radians(pitch_deg) * phase.cos()
    return look_at_camera(yaw, pitch, orbit)


@torch.no_grad()
def render_frames(portrait: BoundStyle, cameras: Tensor, *, batch_size: int = 8) -> np.ndarray:
    """Render one portrait from many cameras.

    Args:
        portrait: one portrait, bound to a style.
        cameras: `[T, 25]`.
        batch_size: number of views rendered at once.

    Returns:
        `[T, S, S, 3]` uint8.
    """
    parts = (cameras[start : start + batch_size] for start in range(0, len(cameras), batch_size))
    return np.concatenate([to_uint8(portrait.render(part).final_image) for part in parts])
