"""The face mesh: what it is shown, where its points lie, and its numbers."""

import json

import numpy as np
import pytest
import torch

from itportrait.errors import CheckpointError, InvalidArgumentError, ItportraitError
from itportrait.landmarks.graph import GraphNetwork, GraphPlan, GraphStep
from itportrait.landmarks.mesh import FaceMesh, Region, region_of, show, turn
from itportrait.published.store import find_weights
from tests.helpers.faces import photos, shares
from tests.helpers.mediapipe_numbers import GOLDEN, PICTURES, shown


@pytest.fixture(scope="module")
def published():
    try:
        return {name: find_weights(name) for name in ("face-mesh", "face-iris")}
    except ItportraitError as error:
        pytest.skip(str(error))


def ramp(size=200):
    """Return a picture `[1, 3, S, S]` whose channels are x, y and 0, as fractions."""
    steps = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])[None]


@pytest.mark.parametrize("roll", [0.0, 0.4, -1.0])
@pytest.mark.parametrize("size", [16, 192])
def test_a_region_is_shown_where_it_lies(roll, size):
    region = Region(0.5, 0.45, 0.4, roll)
    local = np.array([(0.5, 0.5), (0.5, size - 0.5), (size - 0.5, 0.5)]) / size - 0.5
    expected = local @ (region.side * turn(roll)).T + (region.x, region.y)
    picture = show(ramp(), region, size)[0]
    for (x, y), (row, column) in zip(expected, [(0, 0), (-1, 0), (0, -1)], strict=True):
        assert picture[:2, row, column].tolist() == pytest.approx([x, y], abs=4e-3)


def test_outside_is_black():
    assert show(torch.ones(1, 3, 64, 64), Region(0, 0, 1, 0), 32)[0, :, :15, :15].max() == 0


def test_a_region_holds_the_points_upright():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (468, 2)) * (0.1, 0.2)
    points[33], points[263] = (-0.05, 0), (0.05, 0)
    points[0], points[1] = (-0.1, -0.2), (0.1, 0.2)
    region = region_of(points @ turn(0.3).T + (0.6, 0.4))
    assert region.roll_rad == pytest.approx(0.3)
    assert region.side == pytest.approx(1.5 * 0.4)
    assert (region.x, region.y) == pytest.approx((0.6, 0.4))


def test_other_networks_and_pictures_are_refused(published):
    plan = GraphPlan((4, 4), "x", ("y",), (GraphStep("flatten", ("x",), "y", {}),))
    with pytest.raises(CheckpointError, match="not a face mesh"):
        FaceMesh(GraphNetwork(plan, {}))
    mesh = FaceMesh.load(published["face-mesh"])
    with pytest.raises(InvalidArgumentError, match="pixels"):
        mesh.find(np.zeros((8, 9, 3), np.uint8), Region(0.5, 0.5, 1, 0))


@pytest.mark.weights
@pytest.mark.parametrize("name", ["face-mesh", "face-iris"])
def test_the_numbers_are_those_of_the_published_runtime(name, published):
    network = GraphNetwork.load(published[name])
    golden = json.loads(GOLDEN.read_text())["numbers"]
    for picture in PICTURES:
        with torch.no_grad():
            found = network(shown(*photos()[picture], name))
        for own, theirs in zip(found, golden[f"{name} {picture}"], strict=True):
            torch.testing.assert_close(own[0], torch.tensor(theirs), atol=0.02, rtol=0)


@pytest.mark.weights
def test_the_points_lie_on_the_face(published):
    """Nose tip and mouth corners of the mesh are near those that MTCNN finds; turned ones too."""
    mesh = FaceMesh.load(published["face-mesh"])
    for name in ("photo", "mirrored", "turned"):
        photo, points = photos()[name]
        five = shares(points)
        found = mesh.find(
            photo, Region(float(five[:, 0].mean()), float(five[:, 1].mean()), 0.5, 0.0)
        )
        assert found.presence > 0.99
        assert np.abs(found.points[[4, 61, 291], :2] - five[2:]).max() < 0.02
        eyes = np.stack([found.points[[33, 133], :2].mean(0), found.points[[362, 263], :2].mean(0)])
        assert np.abs(eyes - five[:2]).max() < 0.02


@pytest.mark.weights
def test_there_is_no_face_where_there_is_none(published):
    pixels = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    assert FaceMesh.load(published["face-mesh"]).find(pixels, Region(0.5, 0.5, 1, 0)).presence < 0.5
