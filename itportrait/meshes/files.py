"""Meshes as files: GLB, PLY and OBJ with colors of vertices, GLB with a texture."""

import io

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals

from itportrait.errors import InvalidArgumentError
from itportrait.meshes.glb import glb_of

MESH_KINDS = ("glb", "ply", "obj")
_QUALITY = 95
"""Of a texture's JPEG; its colors have the full resolution."""


def encode_mesh(mesh: trimesh.Trimesh, kind: str = "glb") -> bytes:
    """Encode a mesh as `glb`, `ply` or `obj` (colors after the coordinates of each `v` line).

    A texture becomes a JPEG that viewers show as it is, without lights: renders have their light.

    Raises:
        InvalidArgumentError: another kind, or one that has no place for the mesh's texture.
    """
    if kind not in MESH_KINDS:
        raise InvalidArgumentError("kind", expected=f"one of {', '.join(MESH_KINDS)}", actual=kind)
    normals = np.asarray(mesh.vertex_normals)  # also kept in the mesh: viewers shade smoothly
    if not isinstance(mesh.visual, TextureVisuals):
        data = mesh.export(file_type=kind)
        return data.encode() if isinstance(data, str) else bytes(data)
    if kind != "glb":
        raise InvalidArgumentError(
            "kind",
            expected="glb, the one file that holds a texture",
            actual=kind,
            remedy="or extract the mesh with colors of vertices",
        )
    buffer = io.BytesIO()
    picture_of(mesh).convert("RGB").save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    uv = np.asarray(mesh.visual.uv)
    return glb_of(mesh.vertices, normals, uv, np.asarray(mesh.faces), buffer.getvalue())


def decode_mesh(data: bytes, kind: str) -> trimesh.Trimesh:
    """Read back what `encode_mesh` wrote."""
    return trimesh.load_mesh(io.BytesIO(data), file_type=kind, process=False)


def picture_of(mesh: trimesh.Trimesh) -> Image.Image:
    """Return the texture of a mesh.

    Raises:
        InvalidArgumentError: it has none.
    """
    picture = getattr(getattr(mesh.visual, "material", None), "baseColorTexture", None)
    if not isinstance(picture, Image.Image):
        raise InvalidArgumentError("mesh", expected="one with a texture", actual="one without")
    return picture
