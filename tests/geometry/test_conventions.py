"""Cameras from elsewhere: told apart from EG3D's, named, and converted exactly."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from itportrait.adapt.sampling import random_views
from itportrait.align.pose import label_from_pose
from itportrait.bundle.spec import CameraPrior
from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.geometry.conventions import OPENGL_AXES, camera_fault, to_eg3d
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit
from itportrait.ingest import in_eg3d_convention
from itportrait.records import Source

LABELS = Path(__file__).parent.parent / "data" / "alignment" / "eg3d_pose_numbers.json"
GOOD = look_at_camera(
    torch.tensor(0.19, dtype=torch.float64), torch.tensor(-0.13, dtype=torch.float64)
)[0].numpy()
POSE, INTRINSICS = GOOD[:16].reshape(4, 4), GOOD[16:].reshape(3, 3)


def packed(pose, intrinsics=INTRINSICS):
    return np.concatenate([np.asarray(pose).reshape(-1), np.asarray(intrinsics).reshape(-1)])


def moved(position):
    pose = POSE.copy()
    pose[:3, 3] = position
    return pose


def scaled(factor):
    pose = POSE.copy()
    pose[:3, :3] *= factor
    return pose


MIRROR = np.diag([-1.0, 1, 1, 1])
BLENDER_WORLD = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
FOREIGN = {
    "opengl": (packed(POSE @ OPENGL_AXES), "the axes of OpenGL"),
    "w2c": (packed(np.linalg.inv(POSE)), "from world to camera"),
    "w2c of OpenGL": (packed(np.linalg.inv(POSE @ OPENGL_AXES)), "from world to camera"),
    "columns first": (packed(POSE.T), "with columns first"),
    "all columns first": (packed(POSE.T, INTRINSICS.T), "with all columns first"),
    "OpenGL with columns first": (packed((POSE @ OPENGL_AXES).T), "with columns first"),
    "intrinsics first": (np.concatenate([GOOD[16:], GOOD[:16]]), "intrinsics before the pose"),
    "pixels": (packed(POSE, np.diag([512, 512, 1]) @ INTRINSICS), "intrinsics in pixels"),
    "principal point 0": (packed(POSE, np.diag(INTRINSICS.diagonal())), "a principal point of"),
    "scaled": (packed(scaled(1000)), "a scale in its rotation"),
    "mirrored rotation": (packed(np.c_[(MIRROR @ POSE)[:, :3], POSE[:, 3]]), "mirrored rotation"),
    "mirrored world": (packed(MIRROR @ POSE), "a mirrored world"),
    "mirrored picture": (packed(POSE @ MIRROR), "mirrored"),
    "far": (packed(moved(POSE[:3, 3] * 10)), "in another unit of length"),
    "millimeters": (packed(moved(POSE[:3, 3] * 1000)), "in another unit of length"),
    "upside down": (packed(POSE @ np.diag([-1.0, -1, 1, 1])), "turned by half a turn"),
    "at the origin": (packed(moved((0, 0, 0))), "is 0 from the origin"),
    "behind": (packed(np.diag([-1.0, 1, -1, 1]) @ POSE), "stands behind the head"),
    "z up": (packed(BLENDER_WORLD @ POSE), "does not look at the head"),
    "beside": (packed(moved(POSE[:3, 3] + (0.5, 0, 0))), "does not look at the head"),
    "from above": (packed(look_at_camera(0.0, -1.5)[0].numpy()[:16]), "from straight above"),
    "zoomed": (packed(POSE, np.diag([5, 5, 1]) @ INTRINSICS), "a focal length of"),
    "wide picture": (packed(POSE, np.diag([2, 1, 1]) @ INTRINSICS), "of no square picture"),
    "zeros": (np.zeros(25), "is all zeros"),
    "no numbers": (np.full(25, np.nan), "not finite"),
    "overflow": (np.full(25, 1e200), "in the last row"),
    "no intrinsics": (packed(POSE, np.zeros((3, 3))), "no matrix of intrinsics"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_cameras_are_told_and_named(name):
    camera, words = FOREIGN[name]
    fault = camera_fault(camera)
    assert fault is not None
    assert words in fault


def test_published_labels_pass():
    rows = json.loads(LABELS.read_text()).values()
    faults = [camera_fault(np.array(row["label25"])) for row in rows]
    assert len(faults) == 225
    assert set(faults) == {None}


ANGLE = st.floats(-np.pi / 2, np.pi / 2)


@settings(max_examples=300, deadline=None)
@given(yaw=ANGLE, pitch=st.floats(-1.2, 1.2), rounded=st.booleans())
def test_every_camera_that_looks_at_a_head_passes(yaw, pitch, rounded):
    camera = look_at_camera(yaw, pitch)[0].numpy()
    assert camera_fault(np.round(camera, 3) if rounded else camera) is None


@settings(max_examples=300, deadline=None)
@given(yaw=ANGLE, pitch=st.floats(-1.0, 1.0), roll=st.floats(-1.0, 1.0))
def test_every_camera_of_an_estimated_pose_passes(yaw, pitch, roll):
    # In profile, pitch and roll turn the picture alike: 1.0 of each are 115 degrees.
    assert camera_fault(label_from_pose(np.array([pitch, yaw, roll]))) is None


@settings(max_examples=100, deadline=None)
@given(
    radius=st.floats(0.2, 50), zoom=st.floats(0.7, 1.5), seed=st.integers(0, 999),
    pivot=st.tuples(*[st.floats(-0.1, 0.1)] * 3),
)  # fmt: skip
def test_cameras_of_any_familys_prior_pass(radius, zoom, seed, pivot):
    prior = CameraPrior(
        radius=radius, focal=zoom * 4.2647, pivot=tuple(radius / 2.7 * p for p in pivot)
    )
    for camera in prior.sample(4, torch.Generator().manual_seed(seed)).numpy():
        assert camera_fault(camera, prior.orbit) is None


@pytest.mark.parametrize("size", [1.0, 10.0])
def test_cameras_from_which_the_rays_miss_the_head_are_told(size):
    """A generator samples its rays between two depths, wherever the camera stands."""
    family = Orbit(2.7 * size, 4.2647, (0, 0, 0.2 * size))
    rays = (2.27 * size, 3.3 * size)
    for distance, seen in ((1.5, 0), (2.45, 0), (2.53, 1), (2.7, 1), (3.09, 1), (3.2, 0), (5.0, 0)):
        orbit = replace(family, radius=distance * size, focal=family.focal * distance / 2.7)
        camera = look_at_camera(0.3, 0.1, orbit)[0].numpy()
        fault = camera_fault(camera, family, rays)
        assert camera_fault(camera, family) is None
        assert (fault is None) == bool(seen), (distance, fault)
        assert fault is None or "shows heads whole from" in fault
    # A family's own cameras are sound, whatever its rays.
    own = look_at_camera(0.0, 0.0, family)[0].numpy()
    assert camera_fault(own, family, (2.65 * size, 2.75 * size)) is None


def test_cameras_of_adaptation_pass():
    from itportrait.adapt.settings import ViewConfig

    for cameras in random_views(ViewConfig(), 64, torch.Generator().manual_seed(0), FFHQ_ORBIT):
        assert {camera_fault(camera) for camera in cameras.numpy()} == {None}
    assert camera_fault(frontal_camera()[0].numpy()) is None


@settings(max_examples=200, deadline=None)
@given(yaw=ANGLE, pitch=st.floats(-1.2, 1.2))
def test_conversions_are_exact(yaw, pitch):
    yaw, pitch = (torch.tensor(value, dtype=torch.float64) for value in (yaw, pitch))
    camera = look_at_camera(yaw, pitch)[0].numpy()
    pose, intrinsics = camera[:16].reshape(4, 4), camera[16:]
    opengl = packed(pose @ OPENGL_AXES, intrinsics)
    np.testing.assert_array_equal(to_eg3d(opengl, "opengl"), camera)
    w2c = packed(np.linalg.inv(pose), intrinsics)
    np.testing.assert_allclose(to_eg3d(w2c, "w2c"), camera, atol=1e-12)
    np.testing.assert_array_equal(to_eg3d(camera, "eg3d"), camera)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(), min_size=25, max_size=25))
def test_any_numbers_are_judged(values):
    assert camera_fault(np.array(values)) is not None


def test_another_number_of_values_is_an_error():
    with pytest.raises(InvalidArgumentError, match="25 numbers"):
        camera_fault(np.zeros(24))


def test_sources_are_converted_and_misshapen_ones_left_to_their_row():
    foreign = Source(uri="a", camera=FOREIGN["opengl"][0])
    odd, plain = Source(uri="b", camera=np.zeros(16)), Source(uri="c")
    converted = list(in_eg3d_convention([foreign, odd, plain], "opengl"))
    np.testing.assert_allclose(converted[0].camera, GOOD)
    assert converted[1:] == [odd, plain]
    assert next(in_eg3d_convention([foreign])) is foreign
