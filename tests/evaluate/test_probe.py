"""The probe set repeats, and stays in its ranges."""

import pytest
import torch

from itportrait.evaluate import EvaluationProbeConfig, ProbeSet
from tests.helpers.tiny_family import tiny_bundle

CONFIG = EvaluationProbeConfig(count=4, kid_count=12, kid_subset_size=8, kid_subsets=3)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def probe(bundle):
    return ProbeSet.of(bundle, CONFIG)


def test_probe_set_repeats_and_stays_in_its_ranges(bundle, probe):
    again = ProbeSet.of(bundle, CONFIG)
    assert torch.equal(again.codes.ws, probe.codes.ws)
    assert torch.equal(again.kid_codes.cameras, probe.kid_codes.cameras)
    assert len(probe.codes) == 4
    assert len(probe.kid_codes) == 12
    other = ProbeSet.of(bundle, CONFIG.model_copy(update={"seed": 1}))
    assert not torch.equal(other.codes.ws, probe.codes.ws)
