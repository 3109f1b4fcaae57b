"""The probe on generators whose difference is known."""

import copy

import pytest
import torch

from itportrait.evaluate import EvaluationProbeConfig, ProbeSet, StyleTarget, evaluate_style
from itportrait.styles import PreparedGenerator
from tests.helpers.tiny_family import tiny_bundle

CONFIG = EvaluationProbeConfig(count=4, kid_count=12, kid_subset_size=8, kid_subsets=3)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def probe(bundle):
    return ProbeSet.of(bundle, CONFIG)


@pytest.fixture(scope="module")
def reddened(bundle):
    adapted = copy.deepcopy(bundle.generator)
    name = next(
        n for n, _ in reversed(list(adapted.named_parameters())) if n.endswith("torgb.bias")
    )
    with torch.no_grad():
        adapted.get_parameter(name)[0] += 0.8
    return PreparedGenerator(adapted)


def test_probe_set_repeats_and_stays_in_its_ranges(bundle, probe):
    again = ProbeSet.of(bundle, CONFIG)
    assert torch.equal(again.codes.ws, probe.codes.ws)
    assert torch.equal(again.kid_codes.cameras, probe.kid_codes.cameras)
    assert len(probe.codes) == 4
    assert len(probe.kid_codes) == 12
    other = ProbeSet.of(bundle, CONFIG.model_copy(update={"seed": 1}))
    assert not torch.equal(other.codes.ws, probe.codes.ws)


def test_an_unchanged_generator_scores_as_the_base(bundle, probe):
    truth = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    target = StyleTarget(references=torch.ones(1, 3, 8, 8))
    report = evaluate_style(
        bundle, PreparedGenerator(bundle.generator), target, probe=probe, config=CONFIG, truth=truth
    )
    assert report.identity == pytest.approx(1, abs=1e-5)
    assert report.depth_distance == pytest.approx(0, abs=1e-6)
    assert report.depth_variance == pytest.approx(1, abs=1e-5)
    assert report.diversity == pytest.approx(report.diversity_base)
    assert report.clip_image_gain == pytest.approx(0, abs=1e-6)
    assert report.kid_ratio == pytest.approx(1)
    assert report.clip_direction is None
    assert "clip_direction" not in report.scalars()
    assert report.scalars()["identity"] == report.identity


def test_a_step_towards_the_domain_shows_in_every_guidance_metric(bundle, probe, reddened):
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    target = StyleTarget(prompt="red", source_prompt="green", references=red)
    report = evaluate_style(bundle, reddened, target, probe=probe, config=CONFIG)
    assert report.clip_direction > 0.5
    assert report.clip_image_gain > 0.02
    assert report.kid is None
    assert report.depth_variance == pytest.approx(1, abs=1e-5)
    assert report.identity < 1


def test_kid_falls_when_renders_come_from_the_truth(bundle, probe, reddened):
    """True pictures = the reddened generator at other codes: adapted must be nearer than base."""
    other = ProbeSet.of(bundle, CONFIG.model_copy(update={"seed": 5, "kid_count": 40}))
    truth = reddened.render(other.kid_codes).image
    report = evaluate_style(
        bundle, reddened, StyleTarget(), probe=probe, config=CONFIG, truth=truth
    )
    assert report.kid < report.kid_base
    assert report.kid_ratio < 0.7
