"""Drawn sets: other people than those of training, of held-out portraits and of the truth."""

import numpy as np
import torch

from itportrait.geometry.camera import camera_angles
from itportrait.jobs.bank.scores import _TRUTH_SEED
from itportrait.picture_sets import DrawnSet, open_pictures
from itportrait.picture_sets.drawn import SEED
from itportrait.portraits import HELD_OUT_SEED, TRAIN_SEED, render_portrait, sample_people


def test_people_are_of_a_seed_of_their_own():
    assert SEED not in (TRAIN_SEED, HELD_OUT_SEED, _TRUTH_SEED)


def test_pictures_are_those_of_the_domain_at_the_kept_cameras():
    found = open_pictures("mini:clown", 24, drawn=3)
    assert isinstance(found, DrawnSet)
    assert found.count == 3
    batch = found.batch(0, 3, seed=0)
    for image, name in zip(batch.images, batch.record_ids, strict=True):
        row = int(name.removeprefix("clown-"))
        person, camera = sample_people(3, SEED)[row], found.cameras[row]
        truth = render_portrait(person, camera, 24, domain="clown").image
        np.testing.assert_array_equal(((image + 1) * 127.5).round().byte().permute(1, 2, 0), truth)


def test_cameras_spread_like_those_of_sample_portraits():
    yaw, pitch = camera_angles(DrawnSet("clown", 500, 8).cameras)
    assert 0.15 < float(yaw.std()) < 0.25
    assert float(yaw.abs().max()) <= 0.5 + 1e-5
    assert 0.07 < float(pitch.std()) < 0.13


def test_the_digest_knows_domain_and_count_and_not_the_size():
    digests = {DrawnSet("clown", 4, 8).digest, DrawnSet("clown", 4, 16).digest}
    assert len(digests) == 1
    assert DrawnSet("clown", 5, 8).digest not in digests
    assert DrawnSet("zombie", 4, 8).digest not in digests


def test_batches_are_reproducible():
    once, again = DrawnSet("clown", 4, 8), DrawnSet("clown", 4, 8)
    for step in (3, 0):
        first, second = once.batch(step, 2, seed=1), again.batch(step, 2, seed=1)
        assert first.record_ids == second.record_ids
        assert torch.equal(first.images, second.images)
