"""Triangles on a grid of pixels."""

import numpy as np
import pytest

from itportrait.meshes.raster import fragments_of

SQUARE = np.array([[[0.0, 0], [4, 0], [0, 4]], [[4, 0], [4, 4], [0, 4]]])


def test_a_square_of_two_triangles_covers_each_pixel():
    found = fragments_of(SQUARE, 6)
    assert {*found.pixels} == {row * 6 + column for row in range(4) for column in range(4)}
    np.testing.assert_allclose(found.weights.sum(1), 1)
    places = np.einsum("kcd,kc->kd", SQUARE[found.faces], found.weights)
    np.testing.assert_allclose(places[:, 0], found.pixels % 6 + 0.5)


@pytest.mark.filterwarnings("error")
def test_a_triangle_seen_from_its_edge_covers_nothing():
    line = np.array([[[0.0, 1], [4, 1], [2, 1]], [[2.0, 2], [2, 2], [2, 2]]])
    assert len(fragments_of(line, 6).pixels) == 0
