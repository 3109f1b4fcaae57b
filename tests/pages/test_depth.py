"""Depth maps keep their unit through the file."""

import io

import numpy as np
import pytest
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.pages import decode_depth, encode_depth


def test_world_units_come_back_within_a_step():
    depth = np.array([[0, 2.2501], [2.70004, 9.0]])
    data = encode_depth(depth)
    steps = np.asarray(Image.open(io.BytesIO(data)))
    assert steps.dtype == np.uint16
    assert steps.tolist() == [[0, 22501], [27000, 65535]]
    np.testing.assert_allclose(decode_depth(data), [[0, 2.2501], [2.7, 6.5535]], atol=1e-4)


@pytest.mark.parametrize("depth", [np.zeros((1, 2, 2)), np.full((2, 2), np.nan), -np.ones((2, 2))])
def test_what_is_no_depth_map_is_refused(depth):
    with pytest.raises(InvalidArgumentError, match="depth must be"):
        encode_depth(depth)
