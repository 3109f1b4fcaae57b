"""Cameras from dense points: the fit, what it says of its error, and the aligner's rows."""

import dataclasses

import numpy as np
import pytest
import torch

from itportrait.align import AlignConfig, Aligner
from itportrait.align.dense import DenseCamera, fit_pose, project
from itportrait.align.mean_faces import mean_face
from itportrait.align.pose import label_from_pose
from itportrait.bundle import load_bundle
from itportrait.errors import ItportraitError, MissingModelError, UnknownNameError
from itportrait.geometry.camera import camera_angles, look_at_camera, mirror_camera
from itportrait.image import encode
from itportrait.landmarks.graph import GraphNetwork, GraphPlan, GraphStep
from itportrait.landmarks.mesh import POINTS, FaceMesh
from itportrait.mini.samples import wide_camera
from itportrait.perception.detector import FaceDetector
from itportrait.portraits import ORBIT, render_portrait, sample_people
from itportrait.records import Source
from tests.helpers.faces import photos

FACES = ("photos", "drawn")


def guess(pitch_deg, yaw_deg, roll_deg):
    return np.array([*np.radians([pitch_deg, yaw_deg, roll_deg]), 0, 0, 2.85])


def apart_deg(a, b):
    a, b = (each[:16].reshape(4, 4)[:3, 3] for each in (a, b))
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_mean_faces_are_known_by_name():
    for name in FACES:
        face = mean_face(name)
        assert face.rest.shape == face.turned.shape == (len(face.ids) + 5, 3)
        assert face.sigma.shape == (len(face.ids) + 5, 2)
        assert face.sigma.min() > 0
        assert face.scale.min() > 0
        assert (face.factors(1.0) >= face.factors(0.0)).all()
    assert not mean_face("photos").turned.any()
    with pytest.raises(UnknownNameError, match="known: drawn, photos"):
        mean_face("painted")


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("yaw_deg", [-55, -20, 0, 40])
@pytest.mark.parametrize("roll_deg", [-20, 10])
def test_exact_points_give_the_pose(name, yaw_deg, roll_deg):
    face, truth = mean_face(name), guess(4, yaw_deg, roll_deg)
    pose = fit_pose(project(face, truth), face)
    # The priors draw towards the front.
    np.testing.assert_allclose(np.degrees(pose.angles), [4, yaw_deg, roll_deg], atol=1.5)
    assert apart_deg(label_from_pose(pose.angles), label_from_pose(truth[:3])) < 1.5


def test_a_few_points_that_are_far_off_do_not_matter_much():
    face, truth = mean_face("photos"), guess(0, 20, 0)
    points = project(face, truth)
    points[[3, 12, 20]] += 0.2
    pose = fit_pose(points, face)
    assert apart_deg(label_from_pose(pose.angles), label_from_pose(truth[:3])) < 3


def test_mirrored_points_give_the_mirrored_camera_and_the_same_uncertainty():
    face = mean_face("photos")
    partner = [
        int(np.linalg.norm(face.rest * (-1, 1, 1) - point, axis=1).argmin()) for point in face.rest
    ]
    points = project(face, guess(5, 30, 8))
    one, other = fit_pose(points, face), fit_pose((points * (-1, 1) + (1, 0))[partner], face)
    expected = mirror_camera(torch.from_numpy(label_from_pose(one.angles))[None])[0].numpy()
    assert apart_deg(label_from_pose(other.angles), expected) < 0.3
    assert other.yaw_std_rad == pytest.approx(one.yaw_std_rad, rel=0.05)
    assert other.pitch_std_rad == pytest.approx(one.pitch_std_rad, rel=0.05)


def test_the_uncertainty_is_that_of_points_with_such_errors():
    """Points with independent errors of sigma: the fit's own errors have the deviation it says."""
    face = dataclasses.replace(mean_face("photos"), scale=np.ones(2), growth=np.zeros(2))
    rng, truth = np.random.default_rng(0), guess(0, 15, 0)
    exact, label = project(face, truth), label_from_pose(truth[:3])
    center = np.array([float(a) for a in camera_angles(torch.from_numpy(label)[None])])
    ratios = []
    for _ in range(60):
        pose = fit_pose(exact + rng.normal(size=exact.shape) * face.sigma, face)
        seen = camera_angles(torch.from_numpy(label_from_pose(pose.angles))[None])
        errors = np.array([float(a) for a in seen]) - center
        ratios.append(errors / (pose.yaw_std_rad, pose.pitch_std_rad))
    spread = np.sqrt((np.array(ratios) ** 2).mean(0))
    assert spread == pytest.approx([1, 1], abs=0.35)
    unsure = dataclasses.replace(face, sigma=2 * face.sigma)
    assert fit_pose(exact, unsure).yaw_std_rad > 1.5 * fit_pose(exact, face).yaw_std_rad


def constant_mesh(points, logit):
    """Return a mesh that says the same of every picture: `points [468, 3]` of what it is shown."""
    steps = (
        GraphStep(
            "max_pool", ("x",), "pooled", {"pad": (0,) * 4, "size": (8, 8), "stride": (8, 8)}
        ),
        *(
            GraphStep(
                "conv",
                ("pooled", f"{name}.weight", f"{name}.bias"),
                name,
                {"pad": (0,) * 4, "stride": (1, 1), "dilation": (1, 1), "groups": (1,)},
            )
            for name in ("points", "logit")
        ),
        GraphStep("flatten", ("points",), "a", {}),
        GraphStep("flatten", ("logit",), "b", {}),
    )
    weights = {
        "points.weight": torch.zeros(3 * POINTS, 3, 1, 1),
        "points.bias": torch.from_numpy(8 * points).float().flatten(),
        "logit.weight": torch.zeros(1, 3, 1, 1),
        "logit.bias": torch.tensor([logit]),
    }
    return FaceMesh(GraphNetwork(GraphPlan((8, 8), "x", ("a", "b"), steps), weights))


def front(face):
    """Return `[468, 3]` points of a face from the front; those that no face has lie around it."""
    points = np.random.default_rng(0).uniform(0.2, 0.8, (POINTS, 3))
    points[face.ids, :2] = project(face, guess(0, 0, 0))[:-5]
    return points


@pytest.fixture
def source():
    photo, points = photos()["photo"]
    return Source(uri="astronaut.png", data=encode(photo), landmarks=points)


def test_rows_say_where_the_camera_comes_from(source):
    face, nobody = mean_face("photos"), FaceDetector()
    plain = Aligner(AlignConfig(), nobody).align(source)[0]
    dense = DenseCamera(constant_mesh(front(face), 9.0), face)
    row = Aligner(AlignConfig(), nobody, dense_camera=dense).align(source)[0]
    blind = DenseCamera(constant_mesh(front(face), -9.0), face)
    unseen = Aligner(AlignConfig(), nobody, dense_camera=blind).align(source)[0]
    assert (plain.camera_source, plain.yaw_std_rad, plain.pitch_std_rad) == ("five", None, None)
    assert row.camera_source == "dense"
    assert 0 < row.yaw_std_rad < 0.5
    assert 0 < row.pitch_std_rad < 0.5
    assert unseen.camera_source == "five"
    np.testing.assert_array_equal(unseen.camera, plain.camera)
    for column in ("crop", "pixels", "landmarks"):
        np.testing.assert_array_equal(getattr(row, column), getattr(plain, column))
    doubtful = AlignConfig(confident_std_deg=1e-6)
    (row,) = Aligner(doubtful, nobody, dense_camera=dense).align(source)
    assert row.pose_confident is False
    given = dataclasses.replace(source, camera=plain.camera)
    row = Aligner(AlignConfig(), nobody, dense_camera=dense).align(given)[0]
    assert (row.camera_source, row.yaw_std_rad) == ("given", None)


def test_a_machine_without_the_network_is_told_what_to_get(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path))
    bundle = load_bundle("mini")
    assert Aligner.of_bundle(AlignConfig(), bundle).dense_camera is None
    with pytest.raises(MissingModelError, match="itportrait models get face-mesh"):
        Aligner.of_bundle(AlignConfig(camera_points="dense"), bundle)


def test_fingerprints_of_earlier_configurations_stay():
    plain = AlignConfig().model_dump()
    assert not {"camera_points", "dense_face", "confident_std_deg"} & set(plain)
    dense = AlignConfig(camera_points="dense", dense_face="drawn").model_dump()
    assert (dense["camera_points"], dense["dense_face"]) == ("dense", "drawn")


@pytest.mark.weights
@pytest.mark.parametrize("yaw_deg", [-50, -15, 40])
def test_cameras_of_drawn_people(yaw_deg):
    config = AlignConfig(camera_points="dense", dense_face="drawn")
    try:
        aligner = Aligner.of_bundle(config, load_bundle("mini"))
    except ItportraitError as error:
        pytest.skip(str(error))
    camera = look_at_camera(torch.tensor([np.radians(yaw_deg)]).float(), torch.zeros(1), ORBIT)
    image = render_portrait(sample_people(1, 977)[0], wide_camera(camera, 0.7, 0.5, 0.5), 384).image
    (row,) = aligner.align(Source(uri="drawn.png", data=encode(image)))
    assert row.camera_source == "dense"
    assert apart_deg(row.camera, camera[0].numpy()) < 7
    assert 0.5 < np.degrees(row.yaw_std_rad) < 9
