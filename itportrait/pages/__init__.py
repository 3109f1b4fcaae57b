"""Galleries, reports, contact sheets, films and meshes, as bytes to be written anywhere."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports
from itportrait.pages.contact_sheet import contact_sheet

if TYPE_CHECKING:
    from itportrait.pages.depth import decode_depth, encode_depth
    from itportrait.pages.gallery import GalleryDomain, GalleryPortrait, render_gallery
    from itportrait.pages.mesh import (
        EmptyMeshError,
        MeshOptions,
        density_grid,
        encode_mesh,
        extract_mesh,
    )
    from itportrait.pages.report import render_report
    from itportrait.pages.review import ReviewCase, ReviewGroup, render_review
    from itportrait.pages.video import encode_mp4, encode_webp

__all__ = [
    "EmptyMeshError",
    "GalleryDomain",
    "GalleryPortrait",
    "MeshOptions",
    "ReviewCase",
    "ReviewGroup",
    "contact_sheet",
    "decode_depth",
    "density_grid",
    "encode_depth",
    "encode_mesh",
    "encode_mp4",
    "encode_webp",
    "extract_mesh",
    "render_gallery",
    "render_report",
    "render_review",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "depth": "decode_depth encode_depth",
        "gallery": "GalleryDomain GalleryPortrait render_gallery",
        "mesh": "EmptyMeshError MeshOptions density_grid encode_mesh extract_mesh",
        "report": "render_report",
        "review": "ReviewCase ReviewGroup render_review",
        "video": "encode_mp4 encode_webp",
    },
)
