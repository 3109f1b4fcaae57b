"""The picture that inversion aims at: the aligned crop without the black beyond the photo."""

import math

import numpy as np

from itportrait.records import AlignedRecord

_BLEED = 1
"""Pixels at the photo's edge that resampling has mixed with the black outside."""


def fill_outside(record: AlignedRecord) -> np.ndarray:
    """Replace what lies beyond the photo by the nearest pixels of the photo.

    A crop that reaches past the edge is black there. No generator of portraits has black bars, so a
    code would spend itself on them: the hair bends, the head is cut.

    Args:
        record: with pixels; without `crop` or the photo's size, they are returned as they are.

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
