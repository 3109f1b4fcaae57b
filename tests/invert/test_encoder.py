"""The encoder's codes without optimization, from the aligner's camera or from the encoder's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from itportrait.errors import MissingModelError
from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_tensor
from itportrait.invert import InvertConfig, Inverter
from itportrait.invert.methods import INVERSIONS
from itportrait.records import Status
from tests.helpers.tiny_family import own_samples, tiny_bundle


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle(encoder=True)


@pytest.fixture(scope="module")
def portraits(bundle):
    return own_samples(bundle, 3)[0]


def invert(bundle, portraits, **settings):
    return Inverter(InvertConfig(method="encoder", **settings), bundle).invert(portraits)


def test_codes_are_the_encoder_s_and_the_aligner_s_camera_is_kept_unless_asked(bundle, portraits):
    rows = invert(bundle, portraits, refine_camera=False)
    images = torch.stack([to_tensor(record.pixels) for record in portraits])
    codes = bundle.encoder(images)[0].flatten(1).numpy()
    for row, record, code in zip(rows, portraits, codes, strict=True):
        assert (row.status, row.steps, row.tuning, row.weights) == (Status.OK, 0, None, None)
        np.testing.assert_allclose(row.w_plus, code, atol=1e-5)
        np.testing.assert_array_equal(row.camera, record.camera)


def test_of_two_cameras_the_one_is_taken_that_looks_more_like_the_portrait(bundle, portraits):
    """From a camera of the aligner that shows the background alone, the encoder's is the nearer."""
    away = look_at_camera(3.0, 0.0, bundle.orbit)[0].numpy()
    cameras = [portraits[0].camera, away]
    records = [replace(portraits[0], camera=camera) for camera in cameras]
    kept = invert(bundle, records, refine_camera=False)
    chosen = invert(bundle, records)
    image = to_tensor(portraits[0].pixels)[None]
    yaw, pitch = bundle.encoder(image)[1][0]
    read = look_at_camera(yaw, pitch, bundle.orbit)[0].numpy()
    for row, before, camera in zip(chosen, kept, cameras, strict=True):
        assert row.perceptual <= before.perceptual + 1e-5
        taken = [np.allclose(row.camera, one, atol=1e-5) for one in (camera, read)]
        assert sum(taken) == 1
        assert taken[1] == (row.perceptual < before.perceptual - 1e-5)
    alone = [invert(bundle, [record])[0] for record in records]
    for row, single in zip(chosen, alone, strict=True):
        np.testing.assert_allclose(row.camera, single.camera, atol=1e-6)
    assert any(
        row.perceptual < before.perceptual - 1e-5 for row, before in zip(chosen, kept, strict=True)
    )


def test_a_bundle_without_encoder_is_refused_in_words():
    plain = tiny_bundle()
    with pytest.raises(MissingModelError, match=r"has no encoder; set invert\.method to w_plus"):
        Inverter(InvertConfig(method="encoder"), plain)
    INVERSIONS.get("encoder").check(InvertConfig(method="encoder"))
