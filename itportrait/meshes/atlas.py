"""Lay a surface flat: charts that overlap neither themselves nor each other, on one square picture.

A chart is a connected part of the surface that looks towards one side of a box, seen straight from
that side. So the face is one chart, without a seam, and no triangle is stretched by more than 1.8.
"""

import math
from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from itportrait.errors import InvalidArgumentError
from itportrait.meshes.raster import fragments_of

_SIDES = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], float)
_RIGHT = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, -1], [0, 0, 1], [1, 0, 0], [1, 0, 0]], float)
_SMOOTHINGS, _SMALL = 6, 40
"""Rounds that make borders of charts straight, and triangles of a chart that is given away."""
_LEAST_FACING = 0.1
"""Least cosine between a triangle's normal and the side that its chart is seen from."""
_PADDING = 3
"""Pixels around a chart that are no other's: its colors are continued there."""
_SHRINK = 0.97


@dataclass(frozen=True)
class Atlas:
    """A surface with a place for every corner of its triangles on a square picture.

    Args:
        places: `[K, 2]` x and y in pixels, from the upper left corner.
        faces: `[F, 3]` rows of `places`; the triangles are those of the mesh, in its order.
        vertices: `[K]` the mesh's vertex at each of them; at seams one vertex has several.
        size: side of the picture in pixels.
        charts: how many parts it has.
    """

    places: np.ndarray
    faces: np.ndarray
    vertices: np.ndarray
    size: int
    charts: int

    @property
    def uv(self) -> np.ndarray:
        """`[K, 2]` in [0, 1], v up, as trimesh has them."""
        return self.places / self.size * (1, -1) + (0, 1)


def unwrap(mesh: trimesh.Trimesh, size: int) -> Atlas:
    """Lay a surface flat on a square picture.

    Args:
        mesh: with at least one triangle.
        size: side of the picture in pixels.

    Raises:
        InvalidArgumentError: the picture is too small for the number of charts.
    """
    sides = _sides(mesh)
    scale = math.sqrt(0.5 / max(float(mesh.area), 1e-12)) * size
    charts = _charts(mesh, sides, scale)
    flat, owners, faces, vertices = _flat(mesh, charts, sides)
    count = int(charts.max()) + 1
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, owners, flat)
    np.maximum.at(high, owners, flat)
    while True:
        boxes = np.ceil((high - low) * scale).astype(int) + 1 + 2 * _PADDING
        corners = _pack(boxes, size)
        if corners is not None:
            break
        scale *= _SHRINK
        if boxes.max() <= 2 + 2 * _PADDING:
            raise InvalidArgumentError(
                "size",
                expected=f"a texture with room for the {count} charts of this surface",
                actual=f"{size} pixels",
                remedy="choose a larger texture, or fewer triangles",
            )
    places = (flat - low[owners]) * scale + corners[owners] + _PADDING + 0.5
    return Atlas(places, faces, vertices, size, count)


def _sides(mesh: trimesh.Trimesh) -> np.ndarray:
    """Return `[F]` the side of the box that each triangle is seen from."""
    normals = np.asarray(mesh.face_normals)
    facing = normals @ _SIDES.T
    smooth, pairs = normals.copy(), np.asarray(mesh.face_adjacency)
    for _ in range(_SMOOTHINGS):
        added = smooth.copy()
        np.add.at(added, pairs[:, 0], smooth[pairs[:, 1]])
        np.add.at(added, pairs[:, 1], smooth[pairs[:, 0]])
        smooth = added / np.maximum(np.linalg.norm(added, axis=1, keepdims=True), 1e-12)
    sides = np.where(facing > _LEAST_FACING, smooth @ _SIDES.T, -np.inf).argmax(1)
    for _ in range(_SMOOTHINGS):
        parts = _parts(sides, pairs)
        small = np.bincount(parts)[parts] < _SMALL
        if not small.any():
            break
        votes = np.zeros((len(sides), len(_SIDES)))
        for own, other in (pairs.T, pairs.T[::-1]):
            given = parts[own] != parts[other]
            np.add.at(votes, (parts[own[given]], sides[other[given]]), 1)
        wanted = votes[parts].argmax(1)
        allowed = facing[np.arange(len(sides)), wanted] > _LEAST_FACING
        sides = np.where(small & allowed & (votes[parts].max(1) > 0), wanted, sides)
    return sides


def _parts(labels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return `[F]` the connected part, of one label, that each triangle belongs to."""
    same = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]
    links = coo_array((np.ones(len(same)), same.T), shape=(len(labels), len(labels)))
    return connected_components(links, directed=False)[1]


def _charts(mesh: trimesh.Trimesh, sides: np.ndarray, scale: float) -> np.ndarray:
    """Return `[F]` the chart of each triangle: what another one of its chart hides moves to a new
    one, until none is hidden.
    """
    pairs, labels = np.asarray(mesh.face_adjacency), sides
    corners = np.asarray(mesh.triangles)
    flat = np.stack([_seen_from(corners[:, k], sides) for k in range(3)], 1)
    height = np.einsum("fkd,fd->fk", corners, _SIDES[sides])
    while True:
        charts = _parts(labels, pairs)
        hidden = _hidden(flat, height, charts, scale)
        if not len(hidden):
            return charts
        labels = 2 * charts
        labels[hidden] += 1


def _hidden(flat: np.ndarray, height: np.ndarray, charts: np.ndarray, scale: float) -> np.ndarray:
    """Return the triangles that lie below others of their chart."""
    # Each chart has a picture of its own, and all are looked at together.
    count = int(charts.max()) + 1
    low = np.full((count, 2), np.inf)
    np.minimum.at(low, np.repeat(charts, 3), flat.reshape(-1, 2))
    inside = (flat - low[charts][:, None]) * scale
    side = math.ceil(inside.max()) + 2
    found = fragments_of(inside, side, margin=1e-6)
    owners = charts[found.faces].astype(np.int64) * (side * side) + found.pixels
    heights = (height[found.faces] * found.weights).sum(1)
    order = np.lexsort((-heights, owners))
    again = np.flatnonzero(owners[order][1:] == owners[order][:-1]) + 1
    return np.unique(found.faces[order][again])


def _flat(
    mesh: trimesh.Trimesh, charts: np.ndarray, sides: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return places, charts, faces and vertices of the corners: each vertex once in a chart."""
    faces = np.asarray(mesh.faces)
    keys = np.repeat(charts, 3).astype(np.int64) * len(mesh.vertices) + faces.reshape(-1)
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    vertices = unique % len(mesh.vertices)
    owners, seen_from = np.repeat(charts, 3)[first], np.repeat(sides, 3)[first]
    places = _seen_from(np.asarray(mesh.vertices)[vertices], seen_from)
    return places, owners, inverse.reshape(-1, 3), vertices


def _seen_from(points: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Return x and y (down) of points that are seen from a side of the box each."""
    right = _RIGHT[sides]
    down = np.cross(right, _SIDES[sides])
    return np.stack([(points * right).sum(-1), (points * down).sum(-1)], -1)


def _pack(boxes: np.ndarray, size: int) -> np.ndarray | None:
    """Return the corners of boxes laid in rows, the highest first; None if they do not fit."""
    corners = np.zeros_like(boxes)
    x = y = row = 0
    for index in np.argsort(-boxes[:, 1], kind="stable"):
        width, height = boxes[index]
        if x + width > size:
            x, y, row = 0, y + row, 0
        if width > size or y + height > size:
            return None
        corners[index] = x, y
        x, row = x + width, max(row, height)
    return corners
