"""A tiny bundle, and pictures that a color tells apart."""

import pytest
import torch

from itportrait.adversarial import AdversarialConfig
from itportrait.geometry.camera import look_at_camera
from tests.helpers.tiny_family import tiny_bundle


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture
def config():
    return AdversarialConfig(channel_base=256, channel_max=16, mapping_layers=2, blur=0)


@pytest.fixture(scope="session")
def cameras():
    return look_at_camera(torch.linspace(-0.4, 0.4, 4), 0.1)


@pytest.fixture
def pictures():
    """Return a maker of noisy pictures about one level of the first channel."""

    def make(level, count=4, seed=0, side=32):
        rng = torch.Generator().manual_seed(seed)
        image = 0.3 * torch.randn(count, 3, side, side, generator=rng)
        image[:, 0] += level
        return image

    return make
