"""The mirror image of a portrait as a view of it: its camera, its weight, and its light."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.geometry.camera import camera_angles, mirror_camera
from itportrait.image import resize
from itportrait.invert.problem import Target

_YAW_STD_RAD, _YAW_SCALE = 0.29, 2.7
_FRONTAL_RAD = 0.2
"""Yaw below which a mirror image shows nothing that the portrait does not."""


def yaw_weight(camera: Tensor) -> Tensor:
    """Return how much mirror images count beside portraits: the more, the more these are turned.

    Args:
        camera: `[N, 25]` of the portraits.

    Returns:
        `[N]` in [0, 0.5]: (1 - n / 2.7) / 2 with n the density at the yaw of a normal distribution
        of standard deviation 0.29 rad, and 0 below a yaw of 0.2 rad.

    Source:
        "3D GAN Inversion with Facial Symmetry Prior" (Yin et al., CVPR 2023), as released.
    """
    yaw = camera_angles(camera)[0]
    density = torch.exp(-0.5 * (yaw / _YAW_STD_RAD).square())
    density = density / (_YAW_STD_RAD * math.sqrt(math.tau))
    return torch.where(yaw.abs() < _FRONTAL_RAD, 0.0, (1 - density / _YAW_SCALE) / 2)


def mirror_image(portraits: Target, *, factor: float, light_cells: int) -> Target:
    """Return the mirror images of portraits as a view of them, weighted by their yaw.

    Args:
        portraits: the view that is mirrored.
        factor: on the weights.
        light_cells: see `Target`.
    """
    mask = portraits.mask
    return Target(
        image=portraits.image.flip(-1),
        camera=mirror_camera(portraits.camera),
        mask=None if mask is None else mask.flip(-1),
        weight=factor * yaw_weight(portraits.camera),
        light_cells=light_cells,
    )


def in_light_of(image: Tensor, render: Tensor, seen: Tensor, cells: int) -> Tensor:
    """Give pictures the light of renders: their mean color in each cell of a grid.

    Light comes from one side, and so does not go with a face that is mirrored. What is finer than
    the cells stays: lines, edges, features.

    Args:
        image: `[N, 3, S, S]`.
        render: `[N, 3, S, S]`.
        seen: `[N, 1, S, S]` in [0, 1]: what counts for the means.
        cells: number of cells along each side.
    """
    size = image.shape[-1]
    sums, counts = resize((render - image) * seen, cells), resize(seen, cells)
    grids = (F.interpolate(g, (size, size), mode="bilinear") for g in (sums, counts))
    difference, count = grids
    return image + difference / count.clamp_min(1e-3)
