"""Galleries, reports, contact sheets and films, as bytes to be written anywhere."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports
from itportrait.pages.contact_sheet import contact_sheet

if TYPE_CHECKING:
    from itportrait.pages.depth import decode_depth, encode_depth
    from itportrait.pages.gallery import GalleryDomain, GalleryPortrait, render_gallery
    from itportrait.pages.report import render_report
    from itportrait.pages.review import ReviewCase, ReviewGroup, render_review
    from itportrait.pages.video import encode_mp4, encode_webp

__all__ = [
    "GalleryDomain",
    "GalleryPortrait",
    "ReviewCase",
    "ReviewGroup",
    "contact_sheet",
    "decode_depth",
    "encode_depth",
    "encode_mp4",
    "encode_webp",
    "render_gallery",
    "render_report",
    "render_review",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "depth": "decode_depth encode_depth",
        "gallery": "GalleryDomain GalleryPortrait render_gallery",
        "report": "render_report",
        "review": "ReviewCase ReviewGroup render_review",
        "video": "encode_mp4 encode_webp",
    },
)
