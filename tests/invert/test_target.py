"""Crops that reach past the photo."""

import numpy as np

from itportrait.invert.target import fill_outside
from itportrait.records import AlignedRecord


def record(crop, pixels, width=200, height=100):
    return AlignedRecord(
        record_id="x", uri="", width=width, height=height, crop=np.array(crop), pixels=pixels
    )


def test_black_bars_take_the_color_of_the_edge():
    # A crop of side 100 that begins 20 above and 10 left of a photo: 64 pixels a side.
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[13:, 7:] = 90
    pixels[40:, 7:] = 200
    filled = fill_outside(record([-10, -20, 100], pixels))
    assert filled.min() == 90
    assert (filled[40:] == 200).all()
    assert (filled[:39] == 90).all()


def test_right_and_lower_bars_too():
    pixels = np.zeros((50, 50, 3), np.uint8)
    pixels[:25, :40] = 7
    filled = fill_outside(record([120, 50, 100], pixels))
    assert (filled == 7).all()


def test_crops_inside_and_unknown_photos_are_untouched():
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(fill_outside(record([10, 10, 50], pixels)), pixels)
    assert np.array_equal(fill_outside(record([-10, -10, 50], pixels, width=0)), pixels)
    bare = AlignedRecord(record_id="x", uri="", pixels=pixels)
    assert np.array_equal(fill_outside(bare), pixels)
    assert np.array_equal(fill_outside(record([-500, 0, 50], pixels)), pixels)
