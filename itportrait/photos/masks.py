"""Masks that come with photos: gray pictures, white where the portrait is to be seen.

Convention: white (255) is the portrait, black (0) is hidden, values between weigh in part. What is
transparent counts as black. A mask is turned by its own EXIF orientation, as the photo is by its
own, and then has the photo's aspect, in any size.
"""

import hashlib
import re

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.photos.decoding import MAX_PIXELS, decode_picture
from itportrait.photos.files import MAX_BYTES, Mask, read_mask_bytes
from itportrait.records import Source

MASK_SUFFIX = ".mask.png"
"""Ending of the names of masks, in place of the photo's own ending or behind it."""
_LIKE_A_MASK = re.compile(r"(^|[._ -])mask([._ -]?\d+)?\.\w+$", re.IGNORECASE)
_GRAY = 16
"""Largest difference of the channels of a gray pixel; JPEG makes grays slightly colored."""
_WHITE = 128
"""Smallest value of the brightest pixel of a mask that shows anything at all."""


def mask_hint(uri: str) -> str:
    """Return how masks are named, for a picture taken as a photo that is named like one; else "".

    Args:
        uri: of the picture.
    """
    if not _LIKE_A_MASK.search(uri.rpartition("/")[2]):
        return ""
    return (
        "its name is like that of a mask: the mask of NAME.jpg stands beside it as NAME.jpg"
        f"{MASK_SUFFIX} or NAME{MASK_SUFFIX} (ingest.mask_suffix)"
    )


def read_mask(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> Mask | None:
    """Read and decode the mask that came with a photo.

    Args:
        source: of the photo.
        max_pixels: larger pictures are refused.
        max_bytes: larger files are refused.

    Returns:
        None where none came with it.

    Raises:
        DecodeError: it is not a picture, damaged, or over a limit.
        InvalidArgumentError: it is no mask; says why.
        OSError: the bytes cannot be read.
    """
    data = read_mask_bytes(source, max_bytes=max_bytes)
    if data is None:
        return None
    return Mask(decode_mask(data, max_pixels), hashlib.sha256(data).hexdigest())


def decode_mask(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an encoded mask into `[H, W]` uint8.

    Raises:
        DecodeError: it is not a picture, damaged, or over the limit.
        InvalidArgumentError: it has colors, or no pixel is white.
    """
    pixels = decode_picture(data, max_pixels, convert_colors=False, behind="black").pixels
    spread = int((pixels.max(axis=2) - pixels.min(axis=2)).max())
    if spread > _GRAY:
        raise InvalidArgumentError(
            "mask",
            expected="a gray picture, white (255) where the portrait is and black (0) where it is "
            "hidden",
            actual=f"colors, whose channels differ by up to {spread}",
            remedy="save one channel of it, or its transparency, as a gray PNG",
        )
    values = pixels[..., 1].copy()
    brightest = int(values.max())
    if 0 < brightest < _WHITE:
        raise InvalidArgumentError(
            "mask",
            expected="white (255) where the portrait is",
            actual=f"no pixel brighter than {brightest}",
            remedy="multiply the values of a mask of 0 and 1 by 255",
        )
    return values


def check_aspect(mask: Mask, width: int, height: int) -> None:
    """Check that a mask has the aspect of its photo, as a resize to whole pixels keeps it.

    Args:
        mask: upright.
        width: of the photo, upright, in pixels.
        height: of the photo, upright, in pixels.

    Raises:
        InvalidArgumentError: it has another.
    """
    mask_height, mask_width = mask.values.shape
    across = abs(mask_width - mask_height * width / height)
    down = abs(mask_height - mask_width * height / width)
    if min(across, down) > 1:
        raise InvalidArgumentError(
            "mask",
            expected=f"the aspect of the photo, {width} x {height} pixels once both are upright",
            actual=f"{mask_width} x {mask_height}",
            remedy="make the mask from the upright photo, in any size",
        )
