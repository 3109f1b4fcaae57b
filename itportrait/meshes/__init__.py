"""Surfaces of portraits as meshes: found in the density, colored, and encoded as files."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.meshes.surface import (
        EmptyMeshError,
        MeshOptions,
        decode_mesh,
        density_grid,
        encode_mesh,
        extract_mesh,
    )

__all__ = [
    "EmptyMeshError",
    "MeshOptions",
    "decode_mesh",
    "density_grid",
    "encode_mesh",
    "extract_mesh",
]

__getattr__ = lazy_exports(
    __name__,
    {"surface": "EmptyMeshError MeshOptions decode_mesh density_grid encode_mesh extract_mesh"},
)
