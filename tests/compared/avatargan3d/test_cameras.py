"""Cameras of pictures: level, as far away as faces are small, and no head is clipped."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from itportrait.adapt.sampling import random_codes
from itportrait.bundle import load_bundle
from itportrait.compared.avatargan3d import cameras as cameras_module
from itportrait.compared.avatargan3d.cameras import CameraAlignment
from itportrait.compared.avatargan3d.config import CamerasConfig
from itportrait.compared.avatargan3d.distance import radius_bounds
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.learning.seeds import step_rng
from itportrait.picture_sets import DrawnSet
from tests.helpers.method_runs import SecondWorker
from tests.helpers.tiny_family import tiny_generator


def aligner(bundle, pictures, **settings):
    return CameraAlignment(bundle, pictures, CamerasConfig.parse({"faces": 0, **settings}), seed=0)


def test_the_pitches_are_leveled_over_all_pictures(bundle):
    pictures = DrawnSet("clown", 20, 32)
    batch = pictures.batch(3, 20, seed=7)
    assert len(set(batch.record_ids)) == 20
    plain = bundle.encoder(batch.images)[1]
    cameras = aligner(bundle, pictures)
    torch.testing.assert_close(cameras.angles(batch), plain)
    cameras.begin()
    leveled = cameras.angles(batch)
    torch.testing.assert_close(leveled[:, 0], plain[:, 0])
    torch.testing.assert_close(leveled[:, 1], plain[:, 1] - plain[:, 1].mean())


def test_a_correction_leaves_the_pitches_level(bundle, pictures):
    cameras, batch = aligner(bundle, pictures, renders=4), pictures.batch(0, 4, seed=0)
    cameras.begin()
    assert float(cameras.angles(batch)[:, 1].mean()) == pytest.approx(0, abs=1e-6)
    first = cameras.pitch
    cameras.correct(tiny_generator(seed=3), 2)
    assert cameras.pitch != first
    assert float(cameras.angles(batch)[:, 1].mean()) == pytest.approx(0, abs=1e-6)


@pytest.fixture
def endless(bundle):
    """Return the bundle with rays whose samples follow the scene."""
    rays = bundle.generator.config.rendering.model_dump()
    generator = tiny_generator(rendering={**rays, "ray_start": "auto", "ray_end": "auto"})
    return SimpleNamespace(**{**vars(bundle), "generator": generator})


def sizes(cameras, monkeypatch, of_pictures, of_renders):
    """Let faces have such sizes; those of renders are called for one after another."""

    def spread(images, kind):
        return of_pictures if kind == "pictures" else of_renders()

    monkeypatch.setattr(cameras, "_spread", spread)


def test_the_distance_follows_the_size_of_faces(endless, pictures, monkeypatch):
    cameras, usual = aligner(endless, pictures, faces=4, rounds=3, reach=0.3), endless.orbit.radius
    distances = []
    plain = cameras_module.look_at_camera

    def look_at(yaw, pitch, orbit):
        distances.append(orbit.radius)
        return plain(yaw, pitch, orbit)

    monkeypatch.setattr(cameras_module, "look_at_camera", look_at)
    sizes(cameras, monkeypatch, 0.2, lambda: 0.23 * usual / distances[-1])  # smaller if farther
    cameras.begin()
    assert cameras.orbit.radius == pytest.approx(usual * 1.15, rel=1e-3)
    assert cameras.report["radius"] == cameras.orbit.radius
    assert abs(cameras.report["spread_left"]) < 1e-3
    assert distances[0] == usual


@pytest.mark.parametrize(
    ("found", "where"), [((2,), "pictures"), ((3, 1), "renders"), ((3, 3, 0), "renders")]
)
def test_with_too_few_faces_the_family_s_distance_is_kept(
    endless, pictures, monkeypatch, caplog, found, where
):
    """Faces are found in the pictures, then in the first renders, but too few in the end."""
    corners = np.array([[8.0, 8], [24, 8], [16, 16], [10, 24], [22, 24]])
    seen = iter(
        [(index < count, number) for number, count in enumerate(found) for index in range(4)]
    )

    def detect(pixels):
        is_found, number = next(seen)
        return [SimpleNamespace(size=1, landmarks=corners * (1 + 0.1 * number))] * is_found

    monkeypatch.setattr(endless, "detector", SimpleNamespace(detect=detect), raising=False)
    cameras = aligner(endless, pictures, faces=4, fewest=3, rounds=2)
    cameras.begin()
    assert cameras.orbit == endless.orbit
    assert cameras.report["radius"] == endless.orbit.radius
    assert f"in {found[-1]} of 4 {where}" in cameras.report["distance"]
    assert f"in {found[-1]} of 4 {where}" in caplog.text
    assert "spread_left" not in cameras.report


def test_no_head_is_clipped_at_either_end_of_the_distances(pictures, monkeypatch):
    mini = load_bundle("mini")
    usual = mini.orbit.radius
    low, high = radius_bounds(mini, 0.2)
    assert usual * 0.8 < low < usual < high < usual * 1.2
    assert radius_bounds(mini, 0.01) == pytest.approx((usual * 0.99, usual * 1.01))
    rng = step_rng(0, 0, 0)
    ws, cameras = random_codes(mini, 6, rng), mini.camera_prior.sample(6, rng)

    def reaches(radius):
        """Return how far surfaces reach before and behind the origin's distance."""
        orbit = replace(mini.orbit, radius=radius)
        seen = mini.generator.synthesize(ws, look_at_camera(*camera_angles(cameras), orbit))
        depths = seen.image_depth[seen.image_alpha > 0.5] - radius
        return depths.min(), depths.max()

    ends = []
    for size in (0.1, 10.0):  # faces of renders are much smaller, or larger, than those of pictures
        alignment = CameraAlignment(mini, pictures, CamerasConfig(faces=4, level=False), seed=0)
        sizes(alignment, monkeypatch, 1.0, lambda size=size: size)
        alignment.begin()
        ends.append(alignment.orbit.radius)
    assert ends == [low, high]
    with torch.no_grad():
        whole = reaches(usual)
        for radius in ends:
            torch.testing.assert_close(reaches(radius), whole, atol=0.03, rtol=0)
        assert reaches(0.9 * usual)[0] > whole[0] + 0.06  # that is how a clipped face looks


def test_rays_without_room_leave_the_distance(bundle, pictures, caplog):
    assert radius_bounds(bundle, 0.2) is None  # its first samples lie behind the nose
    cameras = aligner(bundle, pictures, faces=4)
    cameras.begin()
    assert cameras.orbit == bundle.orbit
    assert "leave no room" in cameras.report["distance"]
    assert "leave no room" in caplog.text


def test_workers_take_the_alignment_of_the_first(bundle, pictures):
    aligned = aligner(bundle, pictures, renders=4)
    aligned.begin()
    first = {**aligned.state_dict(), "radius": 2.9}
    settings = CamerasConfig(faces=0, renders=4)
    other = CameraAlignment(bundle, pictures, settings, seed=0, workers=SecondWorker(first))
    other.begin()
    assert other.orbit.radius == 2.9
    batch = pictures.batch(0, 4, seed=0)
    torch.testing.assert_close(other.angles(batch), aligned.angles(batch), rtol=0, atol=0)
