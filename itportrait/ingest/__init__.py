"""Inputs of a job: what a URI, a glob, a list, a table or an archive holds, as a stream."""

from itportrait.ingest.cameras import in_eg3d_convention
from itportrait.ingest.skipped import Skipped
from itportrait.ingest.sources import Listing, list_sources
from itportrait.photos.decoding import decode_photo
from itportrait.photos.files import Photo, read_photo, read_source
from itportrait.photos.formats import PATTERNS

__all__ = [
    "PATTERNS",
    "Listing",
    "Photo",
    "Skipped",
    "decode_photo",
    "in_eg3d_convention",
    "list_sources",
    "read_photo",
    "read_source",
]
