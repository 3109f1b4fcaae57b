"""Fixtures of an adaptation: the tiny bundle with words of color, a picture, settings, domains."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from itportrait.adapt import AdaptConfig, DomainSpec, Reference
from itportrait.geometry.camera import frontal_camera
from tests.helpers.tiny_family import tiny_bundle

COLORS = {"Photo": (0.0, 0.0, 0.0), "red": (1.0, -1.0, -1.0), "blue": (-1.0, -1.0, 1.0)}


class ColorGrid(nn.Module):
    """An image-text model that sees colors of a 4 x 4 grid, and prompts that name a color."""

    name = "color words"

    def encode_image(self, image):
        grid = F.adaptive_avg_pool2d(image, 4).flatten(1)
        return F.normalize(torch.cat([grid, torch.ones(len(grid), 1)], 1), dim=1)

    def encode_prompt(self, text):
        color = torch.tensor(COLORS[text]).view(3, 1).expand(3, 16).flatten()
        return F.normalize(torch.cat([color, torch.ones(1)]), dim=0)


@pytest.fixture(scope="session")
def bundle():
    """Return a bundle of random modules, with everything that the stage asks of one."""
    return SimpleNamespace(**{**vars(tiny_bundle(encoder=True)), "clips": [ColorGrid()]})


@pytest.fixture(scope="session")
def reference():
    """Return a reddish style image at the frontal camera."""
    pixels = np.random.default_rng(3).integers(0, 80, (32, 32, 3)).astype(np.uint8)
    pixels[..., 0] += 150
    return Reference(pixels, frontal_camera()[0].numpy(), "red.png")


@pytest.fixture
def config():
    """Return a configuration of few steps."""
    return AdaptConfig.parse(
        {
            "pair": {"steps": 4},
            "probe": {"every": 4, "count": 3, "images": 2},
            "threshold": {"value": "auto", "auto_steps": 2},
        }
    )


@pytest.fixture
def make_spec():
    """Return a maker of domains."""

    def make(mode="text", **changes):
        data = {"name": "red", "mode": mode, "steps": 8, "seed": 5}
        if mode != "image":
            data["prompt"] = "red"
        if mode != "text":
            data["references"] = ["red.png"]
        return DomainSpec.parse({**data, **changes})

    return make
