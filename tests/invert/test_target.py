"""Crops that reach past the photo."""

from dataclasses import replace

import numpy as np
import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.invert.target import fill_outside, target_of
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


def masked(mask, pixels=None):
    pixels = np.full((*mask.shape, 3), 90, np.uint8) if pixels is None else pixels
    return AlignedRecord(record_id="x", uri="", pixels=pixels, mask=mask)


def test_hidden_pixels_take_the_nearest_color_that_is_shown():
    pixels = np.full((20, 20, 3), 10, np.uint8)
    pixels[:, 10:] = 200
    mask = np.full((20, 20), 255, np.uint8)
    mask[:, 8:12] = 0
    mask[:, 12] = 128  # half of its color is of what hides
    pixels[:, 8:13] = 255
    filled, kept = target_of(masked(mask, pixels))
    assert kept is mask
    assert (filled[:, :8] == 10).all()
    assert set(np.unique(filled)) == {10, 200}
    assert (filled[:, 13:] == 200).all()


def test_rows_of_former_releases_are_compared_as_they_were():
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    former = record([-10, -20, 100], pixels)
    filled, mask = target_of(former)
    assert mask is None
    np.testing.assert_array_equal(filled, fill_outside(former))


def test_masks_that_cannot_be_are_refused():
    with pytest.raises(InvalidArgumentError, match="no pixel brighter than 0"):
        target_of(masked(np.zeros((8, 8), np.uint8)))
    with pytest.raises(InvalidArgumentError, match=r"mask must be uint8 \[8, 8\], as the pixels"):
        target_of(replace(masked(np.zeros((8, 8), np.uint8)), mask=np.zeros((4, 4), np.uint8)))
