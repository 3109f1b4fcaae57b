"""Drawn people and their true stylizations belong together."""

import numpy as np
import pytest
import torch

from itportrait.errors import UnknownNameError
from itportrait.evaluate import draw_people, held_out, true_stylizations, true_views
from itportrait.image import to_tensor
from itportrait.portraits import PHOTO


def test_the_truth_of_a_photo_is_the_photo_and_of_a_domain_another_picture_of_the_person():
    portraits = draw_people(2, 24)
    again = draw_people(3, 24)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(portraits, again, strict=False))
    cameras = torch.stack([torch.as_tensor(portrait.camera) for portrait in portraits])
    photos = torch.stack([to_tensor(portrait.pixels) for portrait in portraits])
    assert torch.equal(true_stylizations(PHOTO, held_out(2), cameras, 24), photos)
    bronze = true_stylizations("bronze", held_out(2), cameras, 24)
    assert bronze.shape == photos.shape
    assert (bronze - photos).abs().mean((1, 2, 3)).min() > 0.1
    with pytest.raises(UnknownNameError, match="cubism"):
        true_stylizations("cubism", held_out(2), cameras, 24)


def test_true_views_turn_around_the_person_and_begin_with_its_own_camera():
    (portrait,), (person,) = draw_people(1, 24), held_out(1)
    own, left, front, right = true_views("bronze", person, torch.tensor(portrait.camera), 24, 30)
    whole = true_stylizations("bronze", [person], torch.tensor(portrait.camera)[None], 24)
    assert torch.equal(to_tensor(own), whole[0])
    away = np.abs(left.astype(int) - right[:, ::-1]).mean()  # one looks like the other mirrored
    assert away < np.abs(left.astype(int) - right).mean()
    assert not np.array_equal(front, left)
