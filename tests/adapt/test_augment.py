"""Distortions: the same for pairs of pictures, differentiable, and none at strength zero."""

import pytest
import torch

from itportrait.adapt.augment import Distortion, distorted
from itportrait.learning.seeds import step_rng


def test_one_distortion_treats_pairs_alike_and_rows_apart():
    image = (torch.rand(2, 3, 16, 16) - 0.5).requires_grad_(True)
    distortion = Distortion.draw(2, 0.25, step_rng(0, 0, 0))
    first, again = distortion.apply(image), distortion.apply(image)
    assert torch.equal(first, again)
    swapped = distortion.apply(image.flip(0))
    assert not torch.allclose(swapped.flip(0), first)
    assert first.shape == image.shape
    assert float(first.detach().abs().max()) <= 1
    first.sum().backward()
    assert image.grad.isfinite().all()
    assert float(image.grad.abs().max()) > 0


def test_without_color_a_plain_picture_stays():
    image = torch.tensor([0.5, -0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    moved = Distortion.draw(1, 0.0, step_rng(1, 0, 0)).apply(image)
    torch.testing.assert_close(moved, image)
    tinted = Distortion.draw(1, 0.3, step_rng(1, 0, 0)).apply(image)
    assert float((tinted - image).abs().max()) > 0.05


@pytest.mark.parametrize("copies", [0, 2])
def test_the_plain_picture_comes_first(copies):
    image = torch.rand(1, 3, 8, 8)
    pictures = distorted(
        image, [Distortion.draw(1, 0.2, step_rng(2, 0, copy)) for copy in range(copies)]
    )
    assert len(pictures) == 1 + copies
    assert torch.equal(pictures[0], image)
