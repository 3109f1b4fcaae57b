"""Surfaces of portraits as meshes: found in the density, colored or textured, and encoded."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.meshes.files import decode_mesh, encode_mesh
    from itportrait.meshes.surface import (
        EmptyMeshError,
        MeshOptions,
        density_grid,
        extract_mesh,
    )
    from itportrait.meshes.texture import MeshColors, TextureOptions, make_mesh, textured_mesh

__all__ = [
    "EmptyMeshError",
    "MeshColors",
    "MeshOptions",
    "TextureOptions",
    "decode_mesh",
    "density_grid",
    "encode_mesh",
    "extract_mesh",
    "make_mesh",
    "textured_mesh",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "files": "decode_mesh encode_mesh",
        "surface": "EmptyMeshError MeshOptions density_grid extract_mesh",
        "texture": "MeshColors TextureOptions make_mesh textured_mesh",
    },
)
