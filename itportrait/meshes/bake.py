"""Colors of a surface from renders of its portrait: each place takes those of the views that look
straight at it and see it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import trimesh
from scipy import ndimage
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import spsolve
from torch import Tensor

from itportrait.geometry.camera import look_at_camera, unpack_camera
from itportrait.geometry.orbit import Orbit
from itportrait.image import to_uint8
from itportrait.meshes.atlas import Atlas
from itportrait.meshes.raster import fragments_of, project, rasterize
from itportrait.styles import BoundStyle

_BATCH = 4
_LEAST_FACING, _POWER = 0.1, 6
"""Cosine from which on a view counts, and how much more straight views count than slanted ones."""
_OWN = 1e4
"""How much more the portrait's own view counts than others that look as straight: what it shows is
not blurred by what others made of it, and they have what it sees on the slant or not at all."""
_EDGE = 1.2
"""Pixels of a render beside an outline within which its colors count less: they are mixed there."""
_STEP, _NEAR = 0.03, 0.005
"""Shares of the surface's diagonal: a step in depth that is an outline, and how much deeper than
what is seen in its pixel a place may lie to count as seen."""
_LEAST_WEIGHT = 1e-3
"""Weight of the colors that are continued from elsewhere."""


@dataclass(frozen=True)
class BakeOptions:
    """Which views colors are taken from, beside the portrait's own.

    Args:
        yaws_deg: angles around the head.
        pitches_deg: angles above and below it; all are combined with all yaws.
    """

    yaws_deg: tuple[float, ...] = (-90, -60, -30, 0, 30, 60, 90)
    pitches_deg: tuple[float, ...] = (-25, 25)

    def cameras(self, portrait: BoundStyle, orbit: Orbit) -> Tensor:
        """Return `[T, 25]`, the portrait's own camera first."""
        angles = [(yaw, pitch) for pitch in self.pitches_deg for yaw in self.yaws_deg]
        yaws, pitches = torch.tensor(angles, dtype=torch.float32).view(-1, 2).T * (math.pi / 180)
        own = portrait.codes.cameras[:1].float().cpu()
        return torch.cat([own, look_at_camera(yaws, pitches, orbit)]) if len(angles) else own


@dataclass
class _Places:
    """Places on a surface, and the colors that have been seen there."""

    points: np.ndarray
    normals: np.ndarray
    colors: np.ndarray = field(init=False)
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.colors, self.weights = np.zeros((len(self.points), 3)), np.zeros(len(self.points))


@torch.no_grad()
def bake(
    portrait: BoundStyle,
    mesh: trimesh.Trimesh,
    atlas: Atlas,
    orbit: Orbit,
    options: BakeOptions | None = None,
) -> np.ndarray:
    """Paint the texture of a portrait's surface from renders of the portrait.

    What no view sees is continued smoothly from what is seen beside it, and what belongs to no
    triangle has the nearest color, so that no seam shows.

    Args:
        portrait: one portrait, bound to a style.
        mesh: its surface.
        atlas: of the mesh.
        orbit: where the family's cameras stand.
        options: which views are rendered.

    Returns:
        uint8 `[size, size, 3]`.
    """
    options = options or BakeOptions()
    found = fragments_of(atlas.places[atlas.faces], atlas.size)
    corners = np.asarray(mesh.faces)[found.faces]
    normals = np.asarray(mesh.vertex_normals)
    texels = _Places(
        _mixed(np.asarray(mesh.vertices)[corners], found.weights),
        _unit(_mixed(normals[corners], found.weights)),
    )
    ends = _Places(np.asarray(mesh.vertices), normals)
    for number, (camera, picture) in enumerate(_views(portrait, options.cameras(portrait, orbit))):
        _look(mesh, camera, picture, (texels, ends), _OWN if number == 0 else 1.0)
    filled = _continued(mesh, ends)
    rest = _mixed(filled[corners], found.weights)
    total = texels.weights[:, None] + _LEAST_WEIGHT
    painted = (texels.colors + _LEAST_WEIGHT * rest) / total
    texture = np.zeros((atlas.size * atlas.size, 3))
    texture[found.pixels] = painted
    empty = np.ones(atlas.size * atlas.size, bool)
    empty[found.pixels] = False
    return _padded(texture.reshape(atlas.size, atlas.size, 3), empty.reshape(atlas.size, -1))


def _views(portrait: BoundStyle, cameras: Tensor) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Yield cameras `[1, 25]` and what is rendered from them, `[S, S, 3]` uint8."""
    for part in cameras.split(_BATCH):
        pictures = to_uint8(portrait.render(part.to(portrait.codes.device)).final_image)
        yield from zip(part.split(1), pictures, strict=True)


def _look(
    mesh: trimesh.Trimesh,
    camera: Tensor,
    picture: np.ndarray,
    places: tuple[_Places, ...],
    preferred: float,
) -> None:
    """Add the colors of a view to the places that it sees."""
    side = len(picture)
    size = float(np.linalg.norm(np.ptp(np.asarray(mesh.vertices), axis=0)))
    depth = rasterize(np.asarray(mesh.vertices), np.asarray(mesh.faces), camera, side).depth
    trust = _trust(depth, _STEP * size)
    pixel = 1 / (float(camera[0, 16]) * side)  # world units of a pixel at distance 1
    position = unpack_camera(camera)[0][0, :3, 3].double().cpu().numpy()
    planes = np.concatenate([picture.astype(float), trust[..., None]], -1)
    for each in places:
        spots, depths = project(each.points, camera, side)
        facing = (_unit(position - each.points) * each.normals).sum(1)
        within = ((spots >= 0.5) & (spots <= side - 0.5)).all(1) & (facing > _LEAST_FACING)
        rows = np.flatnonzero(within)
        row, column = np.minimum(spots[rows].astype(int), side - 1).T[::-1]
        # A slanted surface has several depths in a pixel.
        slant = np.sqrt(1 - np.minimum(facing[rows], 1) ** 2) / facing[rows]
        hidden_from = depth[row, column] + _NEAR * size + depths[rows] * pixel * slant
        rows = rows[depths[rows] <= hidden_from]
        at = spots[rows].T[::-1] - 0.5
        seen = np.stack(
            [ndimage.map_coordinates(planes[..., n], at, order=1) for n in range(4)], -1
        )
        straight = (facing[rows] - _LEAST_FACING) / (1 - _LEAST_FACING)
        weights = preferred * straight**_POWER * seen[:, 3]
        each.colors[rows] += weights[:, None] * seen[:, :3]
        each.weights[rows] += weights


def _trust(depth: np.ndarray, step: float) -> np.ndarray:
    """Return `[side, side]` in [0, 1]: 0 at outlines of the surface, 1 away from them."""
    near = np.where(np.isfinite(depth), depth, depth[np.isfinite(depth)].max(initial=0) + 2 * step)
    jump = ndimage.maximum_filter(near, size=3) - ndimage.minimum_filter(near, size=3) > step
    outline = jump | ~np.isfinite(depth)
    if not outline.any():
        return np.ones_like(depth)
    distance = np.asarray(ndimage.distance_transform_edt(~outline))
    return np.clip(distance / _EDGE, 0, 1)


def _continued(mesh: trimesh.Trimesh, ends: _Places) -> np.ndarray:
    """Return `[V, 3]` colors of all vertices: unseen ones lie smoothly between the seen ones.

    The colors there solve Laplace's equation on the graph of edges.
    """
    known = ends.weights > _LEAST_WEIGHT
    colors = np.full_like(ends.colors, 128.0)
    if not known.any():
        return colors
    colors[known] = ends.colors[known] / ends.weights[known, None]
    edges = np.asarray(mesh.edges_unique)
    count, values = len(colors), np.ones(len(edges))
    links = coo_array((values, edges.T), shape=(count, count)).tocsr()
    links = links + links.T
    unknown = np.flatnonzero(~known)
    if len(unknown):
        # A little of the mean color keeps parts that touch nothing known solvable.
        mean = colors[known].mean(0)
        own = diags_array(np.asarray(links.sum(1)).reshape(-1)[unknown] + 1e-6)
        right = links[unknown][:, known] @ colors[known] + 1e-6 * mean
        colors[unknown] = spsolve((own - links[unknown][:, unknown]).tocsc(), right)
    return colors


def _padded(texture: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Return the texture as uint8, where empty pixels have the color of the nearest other one."""
    nearest = np.zeros((2, *empty.shape), np.int32)
    ndimage.distance_transform_edt(
        empty, return_distances=False, return_indices=True, indices=nearest
    )
    return np.clip(np.round(texture[nearest[0], nearest[1]]), 0, 255).astype(np.uint8)


def _mixed(corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum("kcd,kc->kd", corners, weights)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
