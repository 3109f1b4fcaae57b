"""The encoder's camera: taken where its own render shows the picture, and nowhere else."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from itportrait.align import AlignConfig, Aligner
from itportrait.align.encoder_camera import EncoderCamera
from itportrait.align.networks import require_networks
from itportrait.bundle import load_bundle
from itportrait.bundle.places import bundle_folder
from itportrait.card.faces import rotation_angle_deg
from itportrait.errors import MissingModelError
from itportrait.image import encode
from itportrait.mini.samples import draw_photo
from itportrait.portraits import sample_people
from itportrait.records import Source

FAMILY = {"size": 256, "crop_scale": 0.932, "crop_shift": (0.0, 0.028)}
LIMIT = 0.35


@pytest.fixture(scope="module")
def mini():
    return load_bundle("mini")


@pytest.fixture(scope="module")
def by_points(mini):
    return Aligner.of_bundle(AlignConfig(**FAMILY), mini)


@pytest.fixture(scope="module")
def by_encoder(mini):
    return Aligner.of_bundle(AlignConfig(**FAMILY, encoder_camera_distance=LIMIT), mini)


@pytest.fixture(scope="module")
def drawn():
    """Eight drawn people as photos, each with its true camera."""
    return [draw_photo(person, seed=3, size=256) for person in sample_people(8, 77)]


def angle_deg(photo, row):
    return rotation_angle_deg(photo.camera, torch.as_tensor(row.camera))


def test_drawn_people_are_seen_from_nearer_their_own_camera(by_points, by_encoder, drawn):
    errors = {"points": [], "encoder": []}
    for photo in drawn:
        source = Source(uri="drawn", data=encode(photo.portrait.image))
        plain, read = by_points.align(source)[0], by_encoder.align(source)[0]
        assert np.array_equal(plain.pixels, read.pixels)
        assert np.array_equal(plain.crop, read.crop)
        assert read.pose_confident
        errors["points"].append(angle_deg(photo, plain))
        errors["encoder"].append(angle_deg(photo, read))
    assert np.median(errors["encoder"]) < 3.5
    assert np.median(errors["encoder"]) < np.median(errors["points"])


def test_a_photo_of_a_person_keeps_the_camera_of_its_points(by_points, by_encoder, astronaut):
    source = Source(uri="astronaut", data=encode(astronaut))
    plain, read = by_points.align(source)[0], by_encoder.align(source)[0]
    assert np.array_equal(plain.camera, read.camera)
    assert plain.pose_confident == read.pose_confident


def test_the_render_decides(mini, drawn, by_points):
    photo = Source(uri="drawn", data=encode(drawn[0].portrait.image))
    pixels = by_points.align(photo)[0].pixels
    camera = EncoderCamera(mini, max_distance=LIMIT).read(pixels)
    assert camera.shape == (25,)
    assert camera.dtype == np.float32
    assert EncoderCamera(mini, max_distance=1e-3).read(pixels) is None
    assert EncoderCamera(mini, max_distance=1e-3).distance(pixels) <= LIMIT
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint8)
    assert EncoderCamera(mini, max_distance=LIMIT).read(noise) is None


def test_a_camera_that_is_given_is_kept(by_encoder, drawn):
    photo = drawn[0]
    side = photo.portrait.image.shape[0]
    source = Source(
        uri="drawn",
        data=encode(photo.portrait.image),
        crop=np.array([0.0, 0.0, side]),
        camera=photo.camera.numpy(),
    )
    assert np.array_equal(by_encoder.align(source)[0].camera, photo.camera.numpy())


def test_the_gate_of_yaw_sees_the_camera_that_is_kept(mini, by_encoder, drawn):
    photo = Source(uri="drawn", data=encode(drawn[0].portrait.image))
    yaw_deg = np.degrees(abs(by_encoder.align(photo)[0].yaw_rad))
    for limit, status in ((yaw_deg + 0.1, "ok"), (yaw_deg - 0.1, "rejected")):
        config = AlignConfig(**FAMILY, encoder_camera_distance=LIMIT, max_yaw_deg=limit)
        assert Aligner.of_bundle(config, mini).align(photo)[0].status == status


def test_a_family_without_an_encoder_says_so(mini, monkeypatch):
    monkeypatch.setitem(vars(mini), "encoder", None)
    with pytest.raises(MissingModelError, match="has no encoder to read cameras with"):
        Aligner.of_bundle(AlignConfig(encoder_camera_distance=LIMIT), mini)
    assert Aligner.of_bundle(AlignConfig(), mini).encoder_camera is None


def test_a_family_without_an_encoder_is_known_before_anything_is_loaded(tmp_path):
    data = json.loads(Path(bundle_folder("mini"), "model.json").read_text())
    del data["perception"]["encoder_path"]
    (tmp_path / "model.json").write_text(json.dumps(data))
    require_networks(AlignConfig(), str(tmp_path))
    asking = AlignConfig(encoder_camera_distance=LIMIT)
    require_networks(asking, "mini")
    with pytest.raises(MissingModelError, match="has no encoder to read cameras with"):
        require_networks(asking, str(tmp_path))
