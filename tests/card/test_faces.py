"""Detector, aligner and depth: figures of stages and networks whose errors are known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from itportrait.bundle.spec import CameraPrior
from itportrait.card.faces import (
    DETECTION_SIZE,
    HEAD_DEPTH,
    crop_shift,
    measure_aligner,
    measure_depth,
    measure_detector,
    rotation_angle_deg,
)
from itportrait.generator.base import Rendering
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import FFHQ_ORBIT
from itportrait.mini.samples import Photo, draw_photo
from itportrait.perception.detector import Face
from itportrait.portraits import HELD_OUT_SEED, Person, render_portrait, sample_people
from itportrait.portraits.prior import INPUTS, LATENT_DIM
from itportrait.pretrain.networks.generator import truth
from itportrait.records import AlignedRecord, Status
from tests.helpers.tiny_training import fake_portraits

AT_ORIGIN = replace(FFHQ_ORBIT, pivot=(0.0, 0.0, 0.0))
BALD = np.where(np.arange(LATENT_DIM) == INPUTS.index("recede"), 4, 0).astype(np.float32)
"""The mean person, but without hair."""


class Brightness:
    """Finds a face in every picture, surely where it is bright."""

    def detect(self, pixels):
        assert pixels.shape == (DETECTION_SIZE, DETECTION_SIZE, 3)
        confidence = 0.99 if pixels.mean() > 100 else 0.9
        return [Face(np.zeros(4), confidence, np.zeros((5, 2))), Face(np.zeros(4), 0.1, None)]  # type: ignore[arg-type]


class Renderer:
    """Renders white where the latent's first number is positive, and a wanted depth."""

    z_dim = 64
    depth = None

    def mapping(self, z, camera):
        return z

    def synthesize(self, ws, camera):
        image = ((ws[:, :1, None, None] > 0).float() * 2 - 1).expand(-1, 3, 16, 16)
        depth = image[:, :1] if self.depth is None else self.depth
        return Rendering(image, image_raw=image, image_depth=depth, image_alpha=image[:, :1])


def test_faces_below_the_confidence_and_turned_away_do_not_count():
    data = fake_portraits(8, views=1)
    image = torch.where(torch.arange(16) < 12, 255, 0).to(torch.uint8)
    camera = data.camera.clone()
    camera[15] = look_at_camera(0.9, 0.0)[0]  # the last one is dark and turned away
    data = replace(data, image=image[:, None, None, None].expand(-1, 3, 32, 32), camera=camera)
    bundle = SimpleNamespace(
        detector=Brightness(),
        generator=Renderer(),
        camera_prior=CameraPrior(yaw_std_rad=0.3, pitch_std_rad=0.1),
    )
    figures = measure_detector(bundle, data, samples=40)  # type: ignore[arg-type]
    assert figures["detector_drawn"] == pytest.approx(12 / 15)
    z = torch.Generator().manual_seed(0)
    CameraPrior(yaw_std_rad=0.3, pitch_std_rad=0.1).sample(40, z)
    white = (torch.randn(40, 64, generator=z)[:, 0] > 0).float().mean()
    assert figures["detector_samples"] == pytest.approx(float(white))


def test_the_angle_between_cameras_is_that_of_their_turn():
    first, second = look_at_camera(torch.tensor([0.0, 0.3]), 0.0, AT_ORIGIN)
    assert rotation_angle_deg(first, second) == pytest.approx(np.degrees(0.3), abs=1e-3)
    assert rotation_angle_deg(first, first) == pytest.approx(0, abs=0.05)


def test_the_shift_of_a_crop_is_a_share_of_the_true_side():
    photo = Photo(None, look_at_camera(0.0, 0.0)[0], (10.0, 20.0, 50.0))  # type: ignore[arg-type]
    row = AlignedRecord(record_id="", uri="", crop=np.array([13.0, 24.0, 50.0]))
    assert crop_shift(photo, row) == pytest.approx(0.1)
    wider = replace(row, crop=np.array([5.0, 15.0, 60.0]))
    assert crop_shift(photo, wider) == pytest.approx(0)


def test_an_aligner_that_knows_the_truth_has_no_error_and_one_that_fails_is_counted():
    people = sample_people(2, HELD_OUT_SEED)

    def align(source):
        photo = draw_photo(people[int(source.uri[0])], 3, 64)
        row = AlignedRecord(record_id="", uri="", crop=np.array(photo.crop))
        if source.uri == "1.png":
            return [replace(row, status=Status.REJECTED)]
        if source.landmarks is not None:
            np.testing.assert_allclose(source.landmarks + 0.5, photo.portrait.landmarks)
            return [replace(row, camera=look_at_camera(1.0, 0.0)[0].numpy())]
        return [replace(row, camera=photo.camera.numpy())]

    figures = measure_aligner(align, people, size=64, seed=3)
    assert figures["aligner_angle_deg"] == pytest.approx(0, abs=0.05)
    assert figures["aligner_given_deg"] > 20
    assert figures["aligner_yaw_deg"] == figures["aligner_pitch_deg"] == 0
    assert figures["aligner_shift"] == pytest.approx(0)
    assert figures["aligner_failed"] == 0.5


def test_the_depth_error_is_a_share_of_a_heads_depth():
    data = fake_portraits(2, views=1)
    renderer = Renderer()
    true = truth(data, torch.arange(len(data)), 32, torch.device("cpu"))["depth"]
    renderer.depth = true + 0.01
    renderer.depth[..., :2, :] = 9  # far from the face
    bundle = SimpleNamespace(generator=renderer)
    figures = measure_depth(bundle, data)  # type: ignore[arg-type]
    assert figures["face_depth_error"] == pytest.approx(0.01 / HEAD_DEPTH, rel=1e-3)


def test_a_head_is_as_deep_as_the_figure_says():
    ends = []
    for yaw_rad in (0.0, np.pi):  # from the front, from the back; rows above the chin
        camera = look_at_camera(yaw_rad, 0.0, AT_ORIGIN)
        depth = render_portrait(Person(BALD), camera, 64).depth[:42]
        ends.append(FFHQ_ORBIT.radius - depth.min())
    assert sum(ends) == pytest.approx(HEAD_DEPTH, rel=0.05)
