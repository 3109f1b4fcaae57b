"""All points of the face in an aligned portrait, with and without the network of irises."""

import shutil

import numpy as np
import pytest

from itportrait.align.crop import cut, plan_crop
from itportrait.align.points import IRISES, FacePoints
from itportrait.cache import cache_folder
from itportrait.errors import ItportraitError, MissingModelError
from itportrait.landmarks.iris import CONTOURS
from tests.helpers.faces import SIZE, photos


@pytest.fixture(scope="module")
def published():
    try:
        points = FacePoints.load()
    except ItportraitError as error:
        pytest.skip(str(error))
    if points.iris is None:
        pytest.skip(f"the published network {IRISES} is absent; itportrait models get {IRISES}")
    return points


@pytest.mark.weights
def test_478_points_of_a_portrait_or_468_without_the_irises(published, tmp_path, monkeypatch):
    photo, five = photos()["photo"]
    plan = plan_crop(five, SIZE, SIZE)
    portrait = cut(photo, plan)
    whole = published.find(portrait)
    assert whole is not None
    assert whole.shape == (478, 3)
    assert np.abs(whole[[468, 473, 4, 61, 291], :2] - plan.to_crop(five)).max() < 0.03
    shutil.copytree(cache_folder() / "models/face-mesh", tmp_path / "models/face-mesh")
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path))
    fewer = FacePoints.load()
    plain = fewer.find(portrait)
    assert plain is not None
    assert plain.shape == (468, 3)
    rest = np.setdiff1d(np.arange(468), np.concatenate(CONTOURS))
    np.testing.assert_array_equal(plain[rest], whole[rest])
    (tmp_path / "models" / IRISES).mkdir()
    (tmp_path / "models" / IRISES / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(MissingModelError, match=f"damaged.*models get {IRISES}"):
        FacePoints.load()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert fewer.find(noise) is None


def test_a_machine_without_the_mesh_is_told_what_to_get(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path))
    with pytest.raises(MissingModelError, match="itportrait models get face-mesh"):
        FacePoints.load()
