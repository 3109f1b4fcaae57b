"""Which triangle is seen in each pixel: of pictures by a camera, and of texture atlases.

Convention: pixels count from the upper left corner, and the middle of the first one lies at
(0.5, 0.5).
"""

from dataclasses import dataclass

import numpy as np
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import unpack_camera

_AT_ONCE = 1 << 21
"""Pairs of triangle and pixel that are looked at together, which bounds the memory."""


@dataclass(frozen=True)
class Fragments:
    """Pairs of a pixel and a triangle that covers its middle.

    Args:
        pixels: `[K]` row * width + column.
        faces: `[K]` number of the triangle.
        weights: `[K, 3]` barycentric coordinates, of sum 1.
    """

    pixels: np.ndarray
    faces: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Raster:
    """What is seen in each pixel of a square picture.

    Args:
        faces: `[side, side]` number of the triangle, -1 where there is none.
        weights: `[side, side, 3]` barycentric coordinates on the triangle in space.
        depth: `[side, side]` along the camera's axis, world units; infinite where there is nothing.
    """

    faces: np.ndarray
    weights: np.ndarray
    depth: np.ndarray


def fragments_of(corners: np.ndarray, side: int, *, margin: float = 0.0) -> Fragments:
    """Return every pair of a pixel of a square picture and a triangle that covers its middle.

    Args:
        corners: `[F, 3, 2]` x and y in pixels.
        side: of the picture.
        margin: least barycentric coordinate; a small positive one leaves out what lies on edges.

    Raises:
        InvalidArgumentError: corners of another shape.
    """
    if corners.ndim != 3 or corners.shape[1:] != (3, 2):
        raise InvalidArgumentError(
            "corners", expected="of shape [F, 3, 2]", actual=str(list(corners.shape))
        )
    low = np.clip(np.ceil(corners.min(1) - 0.5), 0, side).astype(np.int64)
    high = np.clip(np.floor(corners.max(1) - 0.5) + 1, 0, side).astype(np.int64)
    widths, heights = np.maximum(high - low, 0).T
    ends = np.cumsum(widths * heights)
    parts, start = [], 0
    while start < len(corners):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _AT_ONCE, "right")), start + 1)
        numbers = np.arange(start, stop)
        parts.append(_covered(corners, numbers, low, widths, heights, side, margin))
        start = stop
    columns = zip(*parts, strict=True) if parts else ([np.zeros(0, int)], [np.zeros(0, int)], [])
    pixels, faces, weights = (list(column) for column in columns)
    return Fragments(
        np.concatenate(pixels),
        np.concatenate(faces),
        np.concatenate(weights) if weights else np.zeros((0, 3)),
    )


def _covered(
    corners: np.ndarray,
    numbers: np.ndarray,
    low: np.ndarray,
    widths: np.ndarray,
    heights: np.ndarray,
    side: int,
    margin: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels, triangles and weights of the triangles `numbers`."""
    counts = (widths * heights)[numbers]
    faces = np.repeat(numbers, counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    column = low[faces, 0] + place % np.maximum(widths[faces], 1)
    row = low[faces, 1] + place // np.maximum(widths[faces], 1)
    a, b, c = (corners[faces, corner] for corner in range(3))
    at = np.stack([column + 0.5, row + 0.5], -1)
    area = _cross(b - a, c - a)
    flat = area == 0  # a triangle that is seen from its edge
    second, third = (
        _cross(u, v) / np.where(flat, 1, area) for u, v in ((at - a, c - a), (b - a, at - a))
    )
    weights = np.stack([1 - second - third, second, third], -1)
    inside = ~flat & (weights >= margin).all(-1)
    return (row * side + column)[inside], faces[inside], weights[inside]


def project(points: np.ndarray, camera: torch.Tensor, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where a camera sees points.

    Args:
        points: `[M, 3]` in the world.
        camera: `[1, 25]`.
        side: of the square picture.

    Returns:
        `(places [M, 2], depths [M])`: pixels, and world units along the camera's axis.
    """
    pose, intrinsics = (part[0].double().cpu().numpy() for part in unpack_camera(camera))
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    depths = local[:, 2]
    places = (local / depths[:, None]) @ intrinsics.T
    return places[:, :2] * side, depths


def rasterize(vertices: np.ndarray, faces: np.ndarray, camera: torch.Tensor, side: int) -> Raster:
    """Return what a camera sees of a mesh, which lies before it.

    Args:
        vertices: `[V, 3]` in the world.
        faces: `[F, 3]`.
        camera: `[1, 25]`.
        side: of the square picture.
    """
    places, depths = project(vertices, camera, side)
    found = fragments_of(places[faces], side)
    # What is linear on the screen is the inverse of the depth, and what is divided by the depth.
    shares = found.weights / depths[faces[found.faces]]
    nearness = shares.sum(1)
    seen = Raster(
        np.full((side, side), -1), np.zeros((side, side, 3)), np.full((side, side), np.inf)
    )
    order = np.argsort(nearness, kind="stable")  # of several at a pixel, the last one stays
    pixels = found.pixels[order]
    seen.faces.reshape(-1)[pixels] = found.faces[order]
    seen.weights.reshape(-1, 3)[pixels] = (shares / nearness[:, None])[order]
    seen.depth.reshape(-1)[pixels] = 1 / nearness[order]
    return seen


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
