"""Metrics on pictures and depths whose numbers can be worked out by hand."""

from typing import ClassVar

import pytest
import torch
from torch.nn import functional as F

from itportrait import metrics
from itportrait.errors import InvalidArgumentError


class ColorModel:
    """Features = the mean color as a direction: simple enough to place by hand."""

    name = "color"
    words: ClassVar = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}

    def encode_image(self, image):
        return F.normalize(image.mean((2, 3)) + 1, dim=-1)

    def encode_prompt(self, text):
        return torch.tensor(self.words[text])

    def embed(self, image):
        return self.encode_image(image)

    def distance(self, a, b):
        return (a - b).abs().flatten(1).mean(1)


def plain(*color, size=8):
    return torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, size, size).clone()


RED, GREEN, BLUE = plain(1.0, -1.0, -1.0), plain(-1.0, 1.0, -1.0), plain(-1.0, -1.0, 1.0)


def test_psnr_counts_on_the_unit_scale_and_row_by_row():
    target = torch.zeros(2, 3, 4, 4)
    image = target.clone()
    image[1] += 0.2  # 0.1 on [0, 1]: 20 dB
    values = metrics.psnr(image, target)
    assert values[0] >= 99
    assert values[1] == pytest.approx(20, abs=1e-3)
    assert metrics.psnr(torch.full((1, 3, 2, 2), 7.0), torch.ones(1, 3, 2, 2))[0] >= 99
    with pytest.raises(InvalidArgumentError, match="shape"):
        metrics.psnr(image, target[:1])


def test_clip_reach_counts_the_length_of_the_change_along_the_words():
    model = ColorModel()
    words = {"prompt": "red", "source_prompt": "green"}
    assert metrics.clip_reach(RED, GREEN, [model], **words)[0] == pytest.approx(1, abs=1e-6)
    assert metrics.clip_reach(GREEN, GREEN, [model], **words)[0] == pytest.approx(0, abs=1e-6)
    assert metrics.clip_reach(BLUE, GREEN, [model], **words)[0] == pytest.approx(0.5, abs=1e-6)


def test_clip_direction_is_one_along_the_words_and_negative_against_them():
    model = ColorModel()
    toward = metrics.clip_direction(RED, GREEN, [model], prompt="red", source_prompt="green")
    away = metrics.clip_direction(GREEN, RED, [model], prompt="red", source_prompt="green")
    aside = metrics.clip_direction(BLUE, GREEN, [model], prompt="red", source_prompt="green")
    assert toward[0] == pytest.approx(1, abs=1e-6)
    assert away[0] == pytest.approx(-1, abs=1e-6)
    assert aside[0] == pytest.approx(0.5, abs=1e-6)  # 60 degrees between the two edges


def test_clip_image_is_the_mean_cosine_to_the_references():
    value = metrics.clip_image(RED, torch.cat([RED, GREEN]), [ColorModel(), ColorModel()])
    assert value.tolist() == pytest.approx([0.5])


def test_identity_and_view_consistency():
    model = ColorModel()
    assert metrics.identity(RED, RED, model)[0] == pytest.approx(1)
    views = torch.stack([RED, RED, GREEN], 1)  # one person; the third view is somebody else
    assert metrics.view_consistency(views, model)[0] == pytest.approx(0.5)
    with pytest.raises(InvalidArgumentError, match="views"):
        metrics.view_consistency(views[:, :1], model)


def test_depth_metrics_see_a_shift_and_a_flattening():
    base = torch.linspace(2.4, 2.8, 64).view(1, 1, 8, 8)
    alpha = torch.ones_like(base)
    flat = base.mean() + (base - base.mean()) * 0.5
    assert metrics.depth_distance(base + 0.03, base, alpha)[0] == pytest.approx(0.03, rel=1e-4)
    assert metrics.depth_variance_ratio(flat, base, alpha, alpha)[0] == pytest.approx(0.25)


def test_depth_outside_of_the_surface_does_not_count():
    base = torch.full((1, 1, 4, 4), 2.5)
    alpha = torch.zeros_like(base)
    alpha[..., :2] = 1
    moved = base.clone()
    moved[..., 2:] = 9.0
    assert metrics.depth_distance(moved, base, alpha)[0] == pytest.approx(0)


def test_diversity_is_the_mean_over_pairs():
    images = torch.cat([RED, RED, GREEN])  # distances 0, 4/3, 4/3
    assert metrics.diversity(images, ColorModel()) == pytest.approx(8 / 9)
    assert metrics.diversity(torch.cat([RED, RED]), ColorModel()) == pytest.approx(0)
    with pytest.raises(InvalidArgumentError, match="two identities"):
        metrics.diversity(RED, ColorModel())
