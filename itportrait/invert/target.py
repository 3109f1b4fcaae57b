"""The picture that inversion aims at, and where renders are compared with it.

What lies beyond the photo's edge, or behind what a mask hides, is not compared. Networks need a
whole picture, so there they see the nearest pixels of the portrait, in the target and in the render
alike.
"""

import math
from typing import Any, cast

import numpy as np
from scipy import ndimage  # pyright: ignore[reportMissingTypeStubs]

from itportrait.errors import InvalidArgumentError
from itportrait.records import AlignedRecord

_BLEED = 1
"""Pixels at the photo's edge that resampling has mixed with the black outside."""
_SHOWN = 243
"""Value of a mask from which on a pixel has the portrait's own color: resampling mixes the colors
of both sides of an edge, and its ringing moves the mask's values by some percent."""


def target_of(record: AlignedRecord) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the picture of a record without what is hidden, and where it is to be compared.

    Rows of releases that knew no masks have none, even where the crop reaches past the photo:
    there renders are compared with the filled picture, as they were.

    Args:
        record: with pixels.

    Returns:
        uint8 `[size, size, 3]`, and the mask uint8 `[size, size]` or None.

    Raises:
        InvalidArgumentError: the mask has another size than the pixels, or hides all of them.
    """
    pixels, mask = record.pixels, record.mask
    assert pixels is not None  # the inverter has checked
    if mask is None:
        return fill_outside(record), None
    if mask.shape != pixels.shape[:2] or mask.dtype != np.uint8:
        raise InvalidArgumentError(
            "mask",
            expected=f"uint8 {list(pixels.shape[:2])}, as the pixels",
            actual=f"{mask.dtype} {list(mask.shape)}",
        )
    return fill_hidden(pixels, mask), mask


def fill_hidden(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Replace what a mask hides by the nearest pixels that it shows.

    Args:
        pixels: uint8 `[size, size, 3]`.
        mask: uint8 `[size, size]`, 255 where the pixels show the portrait.

    Returns:
        uint8 `[size, size, 3]`.

    Raises:
        InvalidArgumentError: the mask shows nothing.
    """
    hidden = mask < _SHOWN
    if hidden.all():
        raise InvalidArgumentError(
            "mask",
            expected="white (255) where the portrait is",
            actual=f"no pixel brighter than {mask.max()}",
        )
    nearest: Any = cast(Any, ndimage).distance_transform_edt(
        hidden, return_distances=False, return_indices=True
    )
    return pixels[tuple(nearest)]


def fill_outside(record: AlignedRecord) -> np.ndarray:
    """Replace what lies beyond the photo by the nearest pixels of the photo.

    A crop that reaches past the edge is black there. No generator of portraits has black bars, so a
    code would spend itself on them: the hair bends, the head is cut.

    Args:
        record: with pixels and without a mask; without `crop` or the photo's size, the pixels are
            returned as they are.

    Returns:
        uint8 `[size, size, 3]`.
    """
    pixels = record.pixels
    assert pixels is not None  # the inverter has checked
    if record.crop is None or not record.width or not record.height:
        return pixels
    left, top, side = (float(value) for value in record.crop)
    rows = _inside(-top, record.height - top, side, pixels.shape[0])
    columns = _inside(-left, record.width - left, side, pixels.shape[1])
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return pixels
    margins = (
        (rows.start, pixels.shape[0] - rows.stop),
        (columns.start, pixels.shape[1] - columns.stop),
        (0, 0),
    )
    return np.pad(pixels[rows, columns], margins, mode="edge")


def _inside(first: float, last: float, side: float, size: int) -> slice:
    """Return the pixels of an axis that the photo covers, given its ends in photo pixels."""
    start = math.ceil(first / side * size) + _BLEED if first > 0 else 0
    stop = math.floor(last / side * size) - _BLEED if last < side else size
    return slice(min(max(start, 0), size), min(max(stop, 0), size))
