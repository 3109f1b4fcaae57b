"""Cameras of a turntable, and frames from them."""

import math

import numpy as np
import torch
from torch import Tensor

from itportrait.generator import Generator
from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_uint8


def turntable_cameras(frames: int, *, yaw_deg: float, pitch_deg: float) -> Tensor:
    """Return cameras on a flat ellipse around the frontal one; the last precedes the first.

    Args:
        frames: number of cameras.
        yaw_deg: largest yaw, reached at both sides.
        pitch_deg: largest pitch, reached when the yaw is 0.

    Returns:
        `[frames, 25]`.
    """
    phase = torch.arange(frames) * (2 * math.pi / frames)
    yaw = math.radians(yaw_deg) * phase.sin()
    pitch = math.radians(pitch_deg) * phase.cos()
    return look_at_camera(yaw, pitch)


@torch.no_grad()
def render_frames(
    generator: Generator, ws: Tensor, cameras: Tensor, *, batch_size: int = 8
) -> np.ndarray:
    """Render one code from many cameras; its planes are made once.

    Args:
        generator: of any family.
        ws: `[1, num_ws, w_dim]`.
        cameras: `[T, 25]`.
        batch_size: views at once.

    Returns:
        `[T, S, S, 3]` uint8.
    """
    planes = generator.planes(ws)
    frames = []
    for part in cameras.to(ws.device).split(batch_size):
        count = len(part)
        rendering = generator.render(
            planes.expand(count, *planes.shape[1:]), ws.expand(count, *ws.shape[1:]), part
        )
        frames.append(to_uint8(rendering.final_image))
    return np.concatenate(frames)
