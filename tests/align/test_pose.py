"""The label formula and the pose estimate, against EG3D's own labels of 225 frames."""

import numpy as np
import pytest
import torch

from itportrait.align.crop import FACE_POINTS, plan_crop
from itportrait.align.pose import (
    FACE_OFFSET,
    FACE_SCALE,
    LABEL_OFFSET,
    NETWORK_DISTANCE,
    estimate_pose,
    label_from_pose,
    rotation_of,
)
from itportrait.geometry.camera import camera_angles, mirror_camera
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit

FLIP = np.diag([1.0, -1.0, -1.0])


def angles_of(rotation: np.ndarray) -> np.ndarray:
    """Return `[3]` angles of a rotation: `rotation_of`'s inverse for yaw within 90 deg."""
    turned = rotation.T
    return np.array(
        [
            np.arctan2(turned[2, 1], turned[2, 2]),
            -np.arcsin(np.clip(turned[2, 0], -1, 1)),
            np.arctan2(turned[1, 0], turned[0, 0]),
        ]
    )


def position(label):
    return label[:16].reshape(4, 4)[:3, 3]


def degrees_between(a, b):
    a, b = position(a), position(b)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@pytest.fixture(scope="module")
def estimates(frames):
    """Every third frame: error in degrees, official yaw, estimated angles."""
    rows = []
    for points, label in zip(frames["points"][::3], frames["labels"][::3], strict=True):
        pose = estimate_pose(plan_crop(points, 1280, 720).to_crop(points))
        yaw = np.degrees(camera_angles(torch.from_numpy(label)[None])[0].item())
        error = degrees_between(label_from_pose(pose.angles), label)
        rows.append((error, yaw, *np.degrees(pose.angles)))
    return np.array(rows)


def test_formula_reproduces_the_official_labels(frames):
    for raw, label in zip(frames["raw"], frames["labels"], strict=True):
        rotation = raw[:3, :3] @ FLIP
        translation = NETWORK_DISTANCE - rotation.T @ (raw[:3, 3] - LABEL_OFFSET) / FACE_SCALE
        np.testing.assert_allclose(
            label_from_pose(angles_of(rotation), translation), label, atol=1e-6
        )


def test_rotation_alone_places_the_camera(frames):
    errors = [
        degrees_between(label_from_pose(angles_of(label[:16].reshape(4, 4)[:3, :3] @ FLIP)), label)
        for label in frames["labels"]
    ]
    assert np.mean(errors) < 0.5


def test_angles_are_the_inverse_of_the_rotation():
    for angles in np.random.default_rng(0).uniform(-1.2, 1.2, (20, 3)):
        np.testing.assert_allclose(angles_of(rotation_of(angles)), angles, atol=1e-12)


def test_error_below_35_degrees(estimates):
    near = estimates[np.abs(estimates[:, 1]) < 35, 0]
    assert len(near) > 20
    assert near.mean() < 3.4  # ALIGNMENT: 3.2
    assert near.max() < 8


def test_error_beyond_35_degrees_is_flagged(estimates):
    far = np.abs(estimates[:, 1]) > 40
    assert estimates[far, 0].mean() < 17  # ALIGNMENT: 16
    flagged = np.abs(estimates[:, 3]) > 28
    assert flagged[far].mean() > 0.95
    assert flagged[np.abs(estimates[:, 1]) < 30].mean() == 0


def test_mirrored_points_give_the_mirrored_camera(frames):
    points = frames["points"][100]
    fractions = plan_crop(points, 1280, 720).to_crop(points)
    mirrored = (fractions * [-1, 1] + [1, 0])[[1, 0, 2, 4, 3]]
    label = label_from_pose(estimate_pose(fractions).angles)
    expected = mirror_camera(torch.from_numpy(label)[None])[0].numpy()
    # The mean face itself is not quite symmetric.
    np.testing.assert_allclose(
        label_from_pose(estimate_pose(mirrored).angles)[:16], expected[:16], atol=0.06
    )


def test_face_turned_to_image_left_has_camera_x_above_zero(frames):
    points = frames["points"][100]
    fractions = plan_crop(points, 1280, 720).to_crop(points)
    turned = fractions.copy()
    turned[2, 0] -= 0.1  # the nose points to image-left
    assert position(label_from_pose(estimate_pose(turned).angles))[0] > 0.5


@pytest.mark.parametrize("roll_deg", [-35, -15, 0, 20, 35])
@pytest.mark.parametrize("yaw_deg", [-25, 0, 15])
def test_exact_points_give_the_exact_pose(roll_deg, yaw_deg):
    angles = np.radians([0, yaw_deg, roll_deg])
    world = FACE_SCALE * FACE_POINTS + FACE_OFFSET
    camera = world @ rotation_of(angles) - [0, 0, 2.85]
    points = 0.5 + FFHQ_ORBIT.focal * camera[:, :2] / camera[:, 2:] * [-1, 1]
    found = estimate_pose(points)
    np.testing.assert_allclose(np.degrees(found.angles), [0, yaw_deg, roll_deg], atol=1.5)
    assert found.residual < 0.01


def test_a_family_of_another_scale_gets_the_same_views_in_its_own_world():
    angles = np.radians([5.0, 30.0, -4.0])
    usual = label_from_pose(angles)
    family = Orbit(radius=27.0, focal=FFHQ_ORBIT.focal, pivot=(0.5, 0.0, 2.0))
    label = label_from_pose(angles, orbit=family)
    assert np.array_equal(label_from_pose(angles, orbit=FFHQ_ORBIT), usual)
    assert np.linalg.norm(position(label)) == pytest.approx(27.0)
    assert label[16] == pytest.approx(FFHQ_ORBIT.focal)
    turned = label[:16].reshape(4, 4)[:3, :3], usual[:16].reshape(4, 4)[:3, :3]
    np.testing.assert_allclose(*turned)
    # The same view: the camera sees its pivot where FFHQ's camera sees its own.
    seen = [
        rotation.T @ (np.array(orbit.pivot) - position(camera)) / orbit.radius
        for rotation, camera, orbit in zip(turned, (label, usual), (family, FFHQ_ORBIT))
    ]
    np.testing.assert_allclose(*seen, atol=0.01)
