"""The strip holds each view where the page looks for it."""

import io

import numpy as np
import pytest
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.pages.comparison import encode_views


def opened(views):
    return np.asarray(Image.open(io.BytesIO(views.webp)).convert("RGB")).astype(int)


def test_views_stand_side_by_side_in_their_order():
    values = (20, 120, 220)
    made = encode_views([np.full((300, 300, 3), value, np.uint8) for value in values], side=64)
    strip = opened(made)
    assert made.count == 3
    assert strip.shape == (64, 192, 3)
    for position, value in enumerate(values):
        assert abs(strip[32, position * 64 + 32] - value).max() <= 4


def test_small_views_keep_their_size_and_oblong_ones_their_shape():
    strip = opened(encode_views([np.full((20, 40, 3), 250, np.uint8)]))
    assert strip.shape == (40, 40, 3)
    assert strip[20, 20].min() > 240  # the picture
    assert abs(strip[2, 20] - 128).max() <= 12  # the margin above it


def test_no_view_is_refused():
    with pytest.raises(InvalidArgumentError, match="views must be at least one picture"):
        encode_views([])
