"""Meshes whose colors lie in a texture: surface, atlas and bake together."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.orbit import Orbit
from itportrait.meshes.atlas import unwrap
from itportrait.meshes.bake import BakeOptions, bake
from itportrait.meshes.limits import LARGEST_TEXTURE, SMALLEST_TEXTURE
from itportrait.meshes.surface import MeshOptions, extract_mesh, find_surface
from itportrait.styles import BoundStyle

MeshColors = Literal["texture", "vertices"]
TRIANGLES = 20_000
"""Most triangles of a mesh with a texture, where nothing else is asked for: as a texture has the
details, more of them only make the file larger."""
_PER_RENDER, _LEAST = 4, 256
"""Side of a texture over that of a render, so that the face is a little larger on it than there;
and the least that it has."""


@dataclass(frozen=True)
class TextureOptions:
    """How a texture is made.

    Args:
        size: its side in pixels, 64 to 8192; None: four times that of a render, at least 256.
        bake: the views that it is painted from.
    """

    size: int | None = None
    bake: BakeOptions = field(default_factory=BakeOptions)

    def __post_init__(self) -> None:
        if self.size is not None and not SMALLEST_TEXTURE <= self.size <= LARGEST_TEXTURE:
            raise InvalidArgumentError(
                "texture size",
                expected=f"{SMALLEST_TEXTURE} to {LARGEST_TEXTURE} pixels",
                actual=self.size,
            )


def make_mesh(
    portrait: BoundStyle,
    orbit: Orbit,
    colors: MeshColors,
    options: MeshOptions | None = None,
    *,
    texture_size: int = 0,
) -> trimesh.Trimesh:
    """Extract the surface of a portrait with colors of either kind; errors are those of both.

    Args:
        portrait: one portrait, bound to a style.
        orbit: where the family's cameras stand.
        colors: `texture`, painted from renders, or the scene's own at the `vertices`.
        options: how the surface is found.
        texture_size: in pixels; 0 follows the renders.
    """
    if colors == "vertices":
        return extract_mesh(portrait, options)
    return textured_mesh(portrait, orbit, options, TextureOptions(texture_size or None))


@torch.no_grad()
def textured_mesh(
    portrait: BoundStyle,
    orbit: Orbit,
    options: MeshOptions | None = None,
    texture: TextureOptions | None = None,
) -> trimesh.Trimesh:
    """Extract the surface of a portrait, with its renders as a texture.

    Args:
        portrait: one portrait, bound to a style.
        orbit: where the family's cameras stand.
        options: how the surface is found.
        texture: how the texture is made.

    Returns:
        A mesh in world units; at seams of the texture a vertex is there several times.

    Raises:
        EmptyMeshError: the density nowhere crosses the level.
        NoDensityError: the style has no density.
        InvalidArgumentError: more than one portrait, or a texture that is too small.
    """
    options, texture = options or MeshOptions(), texture or TextureOptions()
    if options.triangles is None:
        options = replace(options, triangles=TRIANGLES)
    surface, _ = find_surface(portrait, options)
    size = texture.size or max(_LEAST, _PER_RENDER * _render_side(portrait))
    atlas = unwrap(surface, size)
    pixels = bake(portrait, surface, atlas, orbit, texture.bake)
    material = PBRMaterial(
        name="portrait",
        baseColorTexture=Image.fromarray(pixels),
        metallicFactor=0.0,
        roughnessFactor=1.0,
    )
    return trimesh.Trimesh(
        np.asarray(surface.vertices)[atlas.vertices],
        atlas.faces,
        vertex_normals=np.asarray(surface.vertex_normals)[atlas.vertices],
        visual=TextureVisuals(uv=atlas.uv, material=material),
        process=False,
    )


def _render_side(portrait: BoundStyle) -> int:
    """Return the side of the portrait's pictures, in pixels."""
    return portrait.render(portrait.codes.cameras).final_image.shape[-1]
