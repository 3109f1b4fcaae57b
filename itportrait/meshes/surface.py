"""From a portrait's density field to a colored mesh, in world units, y up, the face towards +z."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from skimage.measure import marching_cubes
from trimesh.visual import ColorVisuals

from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.styles import BoundStyle, NoDensityError, Volume


class EmptyMeshError(ItportraitError):
    """There is no surface at the density level; the message has the range of the density."""


@dataclass(frozen=True)
class MeshOptions:
    """How the surface is found.

    Args:
        resolution: samples along each side of the cube that the planes cover.
        density_level: density (per world unit) of the surface; about the value at which light is
            half absorbed within 7 % of the head's depth.
        largest_only: keep the largest connected piece and drop floaters.
        triangles: most triangles of the mesh, which is simplified if it has more; 0 keeps all;
            None: all, or 20,000 of a mesh with a texture.
        chunk: points asked at once.
    """

    resolution: int = 160
    density_level: float = 10.0
    largest_only: bool = True
    triangles: int | None = None
    chunk: int = 1 << 17


@torch.no_grad()
def density_grid(
    portrait: BoundStyle, volume: Volume, *, resolution: int, chunk: int = 1 << 17
) -> np.ndarray:
    """Sample a portrait's raw density on a cubic grid.

    Raw: before the softplus, because it is the smoother field to interpolate a surface in.

    Args:
        portrait: one portrait, bound to a style that has a density.
        volume: the cube that the density fills.
        resolution: samples along each side, ends included.
        chunk: points asked at once.

    Returns:
        `[resolution] * 3` float32, axes x, y, z of the world, from -side/2 to side/2.
    """
    half = volume.side / 2
    axis = torch.linspace(-half, half, resolution, device=portrait.codes.device)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(1, -1, 3)
    parts = [portrait.density(part)[0][0, :, 0].float() for part in points.split(chunk, dim=1)]
    return torch.cat(parts).view(resolution, resolution, resolution).cpu().numpy()


@torch.no_grad()
def extract_mesh(portrait: BoundStyle, options: MeshOptions | None = None) -> trimesh.Trimesh:
    """Extract the surface of a portrait, with the scene's color at every vertex.

    Args:
        portrait: one portrait, bound to a style.
        options: how the surface is found.

    Returns:
        A mesh in world units with a color per vertex; faces look outward. Where the surface leaves
        the cube (the neck), it is closed by a flat cut.

    Raises:
        EmptyMeshError: the density nowhere crosses the level.
        NoDensityError: the style has no density.
        InvalidArgumentError: more than one portrait.
    """
    options = options or MeshOptions()
    mesh, volume = find_surface(portrait, options)
    points = torch.as_tensor(np.asarray(mesh.vertices), dtype=torch.float32)
    points = points.to(portrait.codes.device).clamp(-volume.side / 2, volume.side / 2)[None]
    colors = [portrait.density(part)[1][0, :, :3] for part in points.split(options.chunk, 1)]
    rgb = torch.cat(colors).clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    alpha = np.full((len(rgb), 1), 255, np.uint8)
    mesh.visual = ColorVisuals(mesh, vertex_colors=np.hstack([rgb, alpha]))
    return mesh


@torch.no_grad()
def find_surface(portrait: BoundStyle, options: MeshOptions) -> tuple[trimesh.Trimesh, Volume]:
    """Return the surface of a portrait without colors, and the cube that it was found in.

    Arguments and errors are those of `extract_mesh`.
    """
    if len(portrait.codes) != 1:
        raise InvalidArgumentError("portrait", expected="one portrait", actual=len(portrait.codes))
    volume = portrait.volume
    if volume is None:
        raise NoDensityError
    grid = density_grid(portrait, volume, resolution=options.resolution, chunk=options.chunk)
    level = _level(grid, volume, options.density_level)
    box = volume.side
    step = box / (options.resolution - 1)
    padded = np.pad(grid, 1, constant_values=2 * level - float(grid.max()))
    vertices, faces, _, _ = marching_cubes(
        padded, level=level, spacing=(step, step, step), gradient_direction="ascent"
    )
    mesh = trimesh.Trimesh(vertices - box / 2 - step, faces, process=False)
    if options.largest_only:
        mesh = _largest(mesh)
    if options.triangles and len(mesh.faces) > options.triangles:
        mesh = mesh.simplify_quadric_decimation(face_count=options.triangles)
    return mesh, volume


def _level(grid: np.ndarray, volume: Volume, density: float) -> float:
    """Return the raw density of the surface, which the grid must cross."""
    level = _sigma_of(density / volume.gain)
    if not grid.min() < level < grid.max():
        low, high = (
            volume.gain * math.log1p(math.exp(min(sigma, 80) - 1))
            for sigma in (grid.min(), grid.max())
        )
        raise EmptyMeshError(
            f"no surface at density {density:g}: densities run from {low:.3g} to {high:.3g}; "
            "choose density_level in between"
        )
    return level


def _sigma_of(density: float) -> float:
    """Return the raw density whose activation softplus(sigma - 1) is `density`."""
    return 1 + density + math.log(-math.expm1(-density))


def _largest(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Return the connected piece with the most faces."""
    labels = trimesh.graph.connected_component_labels(
        mesh.face_adjacency, node_count=len(mesh.faces)
    )
    faces = np.flatnonzero(labels == np.bincount(labels).argmax())
    piece = mesh.submesh([faces], append=True, repair=False)
    if not isinstance(piece, trimesh.Trimesh):
        raise EmptyMeshError(f"the surface has no connected piece ({len(mesh.faces)} faces)")
    return piece
