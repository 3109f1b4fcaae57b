"""Publish: galleries, contact sheets, films and meshes, as bytes to be written anywhere."""

from itportrait.publish.contact_sheet import contact_sheet
from itportrait.publish.gallery import GalleryDomain, GalleryPortrait, render_gallery
from itportrait.publish.mesh import (
    EmptyMeshError,
    MeshOptions,
    density_grid,
    encode_mesh,
    extract_mesh,
)
from itportrait.publish.video import encode_mp4, encode_webp

__all__ = [
    "EmptyMeshError",
    "GalleryDomain",
    "GalleryPortrait",
    "MeshOptions",
    "contact_sheet",
    "density_grid",
    "encode_mesh",
    "encode_mp4",
    "encode_webp",
    "extract_mesh",
    "render_gallery",
]
