"""Irises: what the network is shown, where its points lie, and MediaPipe's own numbers."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from itportrait.errors import CheckpointError, InvalidArgumentError, ItportraitError
from itportrait.geometry.camera import look_at_camera
from itportrait.landmarks.graph import GraphNetwork, GraphPlan, GraphStep
from itportrait.landmarks.iris import (
    ALL_POINTS,
    CONTOURS,
    EYES,
    IRIS_POINTS,
    IRISES,
    OUTLINE,
    FaceIris,
    eye_places,
    eye_regions,
)
from itportrait.landmarks.mesh import POINTS, FaceMesh, Region, show, turn
from itportrait.portraits import ORBIT, build_face, render_portrait, sample_people
from itportrait.portraits.render import project_points
from itportrait.portraits.shape import WORLD_OFFSET, WORLD_SCALE
from itportrait.published.store import find_weights
from tests.helpers.faces import SIZE, photos, shares
from tests.helpers.mediapipe_irises import CORNERS, GOLDEN, PICTURES

CENTERS = list(IRISES)
NETWORK_PX = 8


@pytest.fixture(scope="module")
def mesh():
    return _published("face-mesh", FaceMesh)


@pytest.fixture(scope="module")
def iris():
    return _published("face-iris", FaceIris)


def _published(name, kind):
    try:
        return kind.load(find_weights(name))
    except ItportraitError as error:
        pytest.skip(str(error))


def golden():
    return json.loads(GOLDEN.read_text())["numbers"]


def face_with(corners):
    """Return `[468, 3]` points of which only the corners of the eyes are known, and depths."""
    points = np.zeros((POINTS, 3))
    points[list(CORNERS), :2] = corners
    points[:, 2] = np.arange(POINTS)
    return points


def eye_network(contour, iris, weight=None):
    """Return a network that says the same of every picture, `[N, 3]` pixels of 8, plus `weight`."""
    places = {
        "pad": (0,) * 4,
        "stride": (NETWORK_PX, NETWORK_PX),
        "dilation": (1, 1),
        "groups": (1,),
    }
    steps, weights = [], {}
    for name, values in (("contour", contour), ("iris", iris)):
        inputs = ("picture", f"{name}.weight", f"{name}.bias")
        steps += [GraphStep("conv", inputs, name, places)]
        steps += [GraphStep("flatten", (name,), f"{name}.flat", {})]
        weights[f"{name}.bias"] = torch.tensor(values).float().flatten()
        weights[f"{name}.weight"] = torch.zeros(values.size, 3, NETWORK_PX, NETWORK_PX)
    if weight is not None:
        weights["iris.weight"] = weight
    results = ("contour.flat", "iris.flat")
    return FaceIris(
        GraphNetwork(GraphPlan((NETWORK_PX, NETWORK_PX), "picture", results, tuple(steps)), weights)
    )


@pytest.mark.parametrize("roll", [0.0, 0.4, -1.0])
def test_an_eye_is_shown_level_and_2_3_times_as_wide(roll):
    flat = np.array([(-0.2, 0), (-0.1, 0), (0.08, 0), (0.2, 0)])
    points = face_with(flat @ turn(roll).T + (0.5, 0.4))
    for region, middle, width in zip(eye_regions(points), (-0.15, 0.14), (0.1, 0.12), strict=True):
        assert region.side == pytest.approx(2.3 * width)
        assert region.roll_rad == pytest.approx(roll)
        expected = np.array([middle, 0]) @ turn(roll).T + (0.5, 0.4)
        assert (region.x, region.y) == pytest.approx(expected)


@pytest.mark.parametrize("roll", [0.0, 0.5])
def test_points_come_back_from_both_eyes_and_from_the_mirror(roll):
    rng = np.random.default_rng(0)
    contour, ring = rng.uniform(0, 8, (71, 3)), rng.uniform(0, 8, (IRIS_POINTS, 3))
    flat = np.array([(-0.2, 0), (-0.1, 0), (0.1, 0), (0.2, 0)])
    points = face_with(flat @ turn(roll).T + 0.5)
    pixels = np.zeros((32, 32, 3), np.uint8)
    found = eye_network(contour, ring).find(pixels, points)
    assert found.shape == (ALL_POINTS, 3)
    for eye, (sign, order) in enumerate(((1, [0, 1, 2, 3, 4]), (-1, [0, 3, 2, 1, 4]))):
        middle = (-0.15, 0) if eye == 0 else (0.15, 0)
        for local, ids in (
            (contour, CONTOURS[eye]),
            (ring[order], np.arange(IRISES[eye], IRISES[eye] + IRIS_POINTS)),
        ):
            places = (local[:, :2] / NETWORK_PX - 0.5) * (sign, 1) * 0.23 + middle
            np.testing.assert_allclose(found[ids, :2], places @ turn(roll).T + 0.5, atol=1e-6)
        depths = found[IRISES[eye] : IRISES[eye] + IRIS_POINTS, 2]
        np.testing.assert_allclose(depths, CONTOURS[eye][:OUTLINE].mean())
    changed = np.concatenate(CONTOURS)
    assert len(set(changed.tolist())) == 142
    np.testing.assert_array_equal(found[:POINTS, 2], points[:, 2])
    others = np.setdiff1d(np.arange(POINTS), changed)
    np.testing.assert_array_equal(found[others], points[others])


def test_the_eye_at_image_right_is_shown_mirrored():
    """The network answers with the red of its first pixel; red grows from image-left."""
    weight = torch.zeros(3 * IRIS_POINTS, 3, NETWORK_PX, NETWORK_PX)
    weight[0, 0, 0, 0] = NETWORK_PX
    network = eye_network(np.zeros((71, 3)), np.zeros((IRIS_POINTS, 3)), weight)
    red = np.zeros((256, 256, 3), np.uint8)
    red[..., 0] = np.arange(256)
    found = network.find(red, face_with(np.array([(0.2, 0.5), (0.3, 0.5), (0.7, 0.5), (0.8, 0.5)])))
    pixel = 0.23 / NETWORK_PX / 2
    left, right = 0.25 - 0.115 + pixel, 0.75 + 0.115 - pixel  # where the first pixels lie
    assert found[468, 0] == pytest.approx(0.25 + (left - 0.5) * 0.23, abs=2e-3)
    assert found[473, 0] == pytest.approx(0.75 - (right - 0.5) * 0.23, abs=2e-3)


def test_other_networks_pictures_and_points_are_refused():
    plan = GraphPlan((4, 4), "x", ("y",), (GraphStep("flatten", ("x",), "y", {}),))
    with pytest.raises(CheckpointError, match="not a network of irises"):
        FaceIris(GraphNetwork(plan, {}))
    network = eye_network(np.zeros((71, 3)), np.zeros((IRIS_POINTS, 3)))
    with pytest.raises(InvalidArgumentError, match="pixels"):
        network.find(np.zeros((8, 9, 3), np.uint8), np.zeros((POINTS, 3)))
    with pytest.raises(InvalidArgumentError, match=r"points must be \[468, 3\]"):
        network.find(np.zeros((8, 8, 3), np.uint8), np.zeros((5, 2)))


@pytest.mark.parametrize("name", PICTURES)
def test_regions_are_those_of_mediapipe(name):
    numbers = golden()[name]
    found = eye_regions(face_with(np.array(numbers["corners"]) / SIZE))
    for own, (x, y, side, roll) in zip(found, numbers["regions"], strict=True):
        assert (SIZE * own.x, SIZE * own.y) == pytest.approx((x, y), abs=0.01)
        assert own.roll_rad == pytest.approx(roll, abs=1e-3)
        # It measures along the picture's sides; see the module.
        assert SIZE * own.side * np.cos(roll) == pytest.approx(side, abs=0.03)


@pytest.mark.weights
@pytest.mark.parametrize("name", PICTURES)
def test_points_are_those_of_mediapipe(name, iris):
    """Its own operations on the same corners give the same points.

    They read pixels by their corners and not by their middles, which moves all points of an eye by
    up to 0.5 px. With the same shift in what our network is shown, they are equal.
    """
    numbers, photo = golden()[name], photos()[name][0]
    points = face_with(np.array(numbers["corners"]) / SIZE)
    found = SIZE * iris.find(photo, points)[:, :2]
    picture = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255
    for eye, (x, y, side, roll) in enumerate(numbers["regions"]):
        ring = found[IRISES[eye] : IRISES[eye] + IRIS_POINTS]
        assert np.linalg.norm(found[CONTOURS[eye]] - numbers["contours"][eye], axis=1).max() < 0.7
        assert np.linalg.norm(ring - numbers["irises"][eye], axis=1).max() < 0.5
        sign = (1, 1) if eye == 0 else (-1, 1)  # theirs saw the other eye in a mirrored photo
        shift = 0.5 * (1 - side / iris.size * turn(sign[0] * roll) @ (1, 1)) * sign
        region = Region(x / SIZE, y / SIZE, side / SIZE, roll)
        read = dataclasses.replace(
            region, x=region.x + shift[0] / SIZE, y=region.y + shift[1] / SIZE
        )
        shown = show(picture, read, iris.size)
        with torch.no_grad():
            (contour,), _ = iris.network(shown if eye == 0 else shown.flip(-1))
        places = SIZE * eye_places(contour, region, iris.size, mirrored=eye == 1)
        assert np.linalg.norm(places - numbers["contours"][eye], axis=1).max() < 0.08


@pytest.mark.weights
@pytest.mark.parametrize("name", PICTURES)
def test_another_network_of_mediapipe_finds_the_same_irises(name, mesh, iris):
    """The mesh with attention, whose 478 points users of MediaPipe know; an iris is 8 px wide."""
    photo, five = photos()[name][0], shares(photos()[name][1])
    middle = five.mean(0)
    points = mesh.find(photo, Region(float(middle[0]), float(middle[1]), 0.42, 0.0)).points
    found = SIZE * iris.find(photo, points)[POINTS:, :2]
    assert np.linalg.norm(found - golden()[name]["refined"], axis=1).max() < 1


@pytest.mark.weights
def test_the_irises_of_a_photo_lie_in_its_eyes(mesh, iris):
    for name, (photo, five) in photos().items():
        middle = shares(five).mean(0)
        points = mesh.find(photo, Region(float(middle[0]), float(middle[1]), 0.42, 0.0)).points
        found = iris.find(photo, points)
        in_their_eyes(found)
        assert np.abs(SIZE * found[CENTERS, :2] - 0.5 - five[:2]).max() < 2.5, name


@pytest.mark.weights
@pytest.mark.parametrize("index", [0, 2])
def test_the_irises_of_drawn_people_follow_their_gaze(index, mesh, iris):
    face = build_face(sample_people(3, 977)[index])
    camera = look_at_camera(torch.zeros(1), torch.zeros(1), ORBIT)
    found, truth = [], []
    for gaze in (-2.0, 0.0, 2.0):
        looking = dataclasses.replace(face, traits=dataclasses.replace(face.traits, gaze_x=gaze))
        pixels = render_portrait(looking, camera, 256).image
        points = iris.find(pixels, mesh.find(pixels, Region(0.5, 0.5, 0.9, 0.0)).points)
        in_their_eyes(points)
        found.append(points[CENTERS, :2])
        truth.append(project_points(irises_of(looking), camera, 256) / 256)
    apart = np.linalg.norm(truth[1][1] - truth[1][0])
    assert np.abs(np.array(found) - truth).max() < 0.06 * apart
    steps, true_steps = (np.diff(np.array(each)[..., 0], axis=0) for each in (found, truth))
    assert steps.min() > 0
    assert (steps.sum(0) / true_steps.sum(0)).min() > 0.45


def in_their_eyes(points):
    """Check that irises lie between the corners and between the lids of their eyes."""
    for eye, (left, right) in enumerate(EYES):
        span = points[right, :2] - points[left, :2]
        axes = np.stack([span, (-span[1], span[0])], axis=1) / (span @ span)
        local = (points[:, :2] - points[left, :2]) @ axes
        outline = local[CONTOURS[eye][:OUTLINE]]
        x, y = local[IRISES[eye]]
        assert 0.2 < x < 0.8
        assert outline[:, 1].min() < y < outline[:, 1].max()
        width = local[IRISES[eye] + 1, 0] - local[IRISES[eye] + 3, 0]
        height = local[IRISES[eye] + 4, 1] - local[IRISES[eye] + 2, 1]
        assert 0.2 < width < 0.7
        assert height == pytest.approx(width, rel=0.4)


def irises_of(face):
    """Return `[2, 3]` where the middles of a drawn face's irises lie in the world."""
    traits, eye, radius = face.traits, face.head.scalars, face.proportions.eye_radius
    places = []
    for side in (-1, 1):
        aim = np.array([0.11 * traits.gaze_x - 0.03 * side, 0.06 * traits.gaze_y, 1])
        middle = np.array([side * eye.eye_x, eye.eye_y, eye.eye_z])
        places.append(middle + radius * aim / np.linalg.norm(aim))
    return (WORLD_SCALE * np.array(places) + np.array(WORLD_OFFSET)).astype(np.float32)
