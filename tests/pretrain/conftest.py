"""Made-up portraits for all trainers."""

import pytest

from itportrait.pretrain.training.data import PortraitData
from tests.helpers.tiny_training import fake_portraits


@pytest.fixture(scope="session")
def fake() -> PortraitData:
    return fake_portraits(12)


@pytest.fixture(scope="session")
def fake_held_out() -> PortraitData:
    return fake_portraits(4, seed=1)
