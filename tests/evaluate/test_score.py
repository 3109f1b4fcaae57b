"""The scores of styles on generators whose difference is known."""

import copy
from dataclasses import dataclass, field, replace

import pytest
import torch

from itportrait.errors import InvalidArgumentError, MissingModelError, UnknownNameError
from itportrait.evaluate import (
    EvaluationProbeConfig,
    ProbeBase,
    StyleTarget,
    evaluate_style,
    feature_network,
    render_views,
    score_portraits,
)
from itportrait.styles import PreparedGenerator, PreparedStyle
from tests.helpers.portrait_style import PortraitStyle
from tests.helpers.tiny_family import tiny_bundle

CONFIG = EvaluationProbeConfig(
    count=4, kid_count=12, kid_subset_size=8, kid_subsets=3, batch_size=3
)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def base(bundle):
    return ProbeBase(bundle, CONFIG)


@pytest.fixture(scope="module")
def reddened(bundle):
    adapted = copy.deepcopy(bundle.generator)
    name = next(
        n for n, _ in reversed(list(adapted.named_parameters())) if n.endswith("torgb.bias")
    )
    with torch.no_grad():
        adapted.get_parameter(name)[0] += 0.8
    return PreparedGenerator(adapted)


@dataclass
class Counted(PreparedStyle):
    """A style that counts how many portraits are bound, and how often."""

    style: PreparedStyle
    bound: list[int] = field(default_factory=list)

    def bind(self, codes, *, fitted=None):
        self.bound.append(len(codes))
        return self.style.bind(codes, fitted=fitted)


def test_an_unchanged_generator_scores_as_the_base(bundle, base):
    truth = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    target = StyleTarget(references=torch.ones(1, 3, 8, 8))
    known = base.measure_truth(truth)
    report = evaluate_style(base, PreparedGenerator(bundle.generator), target, truth=known)
    assert report.identity == pytest.approx(1, abs=1e-5)
    assert report.depth_distance == pytest.approx(0, abs=1e-6)
    assert report.depth_variance == pytest.approx(1, abs=1e-5)
    assert report.diversity == pytest.approx(report.diversity_base)
    assert report.clip_image_gain == pytest.approx(0, abs=1e-6)
    assert report.kid_ratio == pytest.approx(1)
    assert report.features == "itportrait-mini-perceptual"
    assert report.clip_direction is None
    assert report.reasons["clip_direction"] == "the domain has no prompt"
    assert "at least" in report.reasons["fid"]  # 12 pictures
    scalars = report.scalars()
    assert not {"clip_direction", "fid", "fid_base", "features"} & set(scalars)
    assert scalars["identity"] == report.identity


def test_a_step_towards_the_domain_shows_in_every_guidance_metric(base, reddened):
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    target = StyleTarget(prompt="red", source_prompt="green", references=red)
    report = evaluate_style(base, reddened, target)
    assert report.clip_direction > 0.5
    assert report.clip_image_gain > 0.02
    assert report.kid is None
    assert report.reasons == dict.fromkeys(
        ("kid", "kid_ratio", "fid"), "the domain has no true pictures"
    )
    assert report.depth_variance == pytest.approx(1, abs=1e-5)
    assert report.identity < 1


def test_distances_fall_when_renders_come_from_the_truth(bundle, reddened):
    """True pictures = the reddened generator at other codes: adapted must be nearer than base."""
    count = bundle.perceptual.embed(torch.zeros(1, 3, 32, 32)).shape[1] + 1
    large = CONFIG.model_copy(update={"kid_count": count, "batch_size": 32})
    base = ProbeBase(bundle, large)
    other = ProbeBase(bundle, large.model_copy(update={"seed": 5}))
    truth = base.measure_truth(reddened.render(other.probe.kid_codes).image)
    report = evaluate_style(base, reddened, StyleTarget(), truth=truth)
    assert report.kid < report.kid_base
    assert report.kid_ratio < 0.7
    assert report.fid < report.fid_base
    assert "fid" not in report.reasons
    assert report.scalars()["fid"] == report.fid


def test_a_ratio_to_a_base_that_is_no_worse_than_the_truth_is_missing_with_its_reason(base):
    truth = base.measure_truth(base.style.render(base.probe.kid_codes).image)
    level = replace(truth, base=replace(truth.base, kid=-0.002))
    report = evaluate_style(base, base.style, StyleTarget(), truth=level)
    assert report.kid_ratio is None
    assert "kid_ratio" not in report.scalars()
    assert report.reasons["kid_ratio"] == ("the KID of the base's renders is -0.002, not above 0")


def test_the_base_is_rendered_once_for_many_styles(bundle, reddened):
    base = ProbeBase(bundle, CONFIG)
    base.style = Counted(base.style)
    truth = base.measure_truth(torch.zeros(8, 3, 32, 32))
    for style in (reddened, base.style.style, reddened):
        evaluate_style(base, style, StyleTarget(), truth=truth)
    assert sum(base.style.bound) == CONFIG.count + CONFIG.kid_count


def test_a_style_is_bound_once_for_all_cameras_and_gives_the_same_pictures(base, reddened):
    style, codes = Counted(reddened), base.probe.codes
    views = render_views(style, codes, base.probe.orbit, batch_size=3)
    assert style.bound == [3, 1]
    assert views.around.shape == (4, 3, 3, 32, 32)
    each = torch.cat([reddened.render(part).final_image for part in codes.split(3)])
    assert torch.equal(views.own.final_image, each)


def test_portraits_that_a_style_is_fitted_to_are_fitted_once(bundle, base, monkeypatch):
    style = PortraitStyle("x", bundle.model_id, torch.tensor([0.9, 0.0, -0.9]))
    prepared, codes = style.prepare(bundle.generator), base.probe.codes
    first = render_views(prepared, codes, base.probe.orbit, batch_size=3)
    assert len(first.fitted) == 4
    from tests.helpers.portrait_style import FilteredPortraits

    monkeypatch.setattr(FilteredPortraits, "fit", None)  # would fail
    again = render_views(prepared, codes, base.probe.orbit, batch_size=3, fitted=first.fitted)
    assert torch.equal(again.around, first.around)
    assert again.fitted == first.fitted
    with pytest.raises(InvalidArgumentError, match="fitted must be 4, one a portrait, got 1"):
        render_views(prepared, codes, base.probe.orbit, fitted=first.fitted[:1])


def test_each_portrait_has_its_own_scores(bundle, base, reddened):
    target = StyleTarget(prompt="red", source_prompt="green")
    styled = base.views(reddened)
    truth = styled.own.final_image
    photos = base.base_views.own.final_image
    scores = score_portraits(bundle, styled, base.base_views, target, photos=photos, truth=truth)
    assert len(scores.values["identity"]) == 4
    assert len(set(scores.values["clip_direction"].tolist())) == 4
    assert scores.values["truth_distance"].tolist() == pytest.approx([0] * 4, abs=1e-6)
    assert scores.values["truth_distance_base"].min() > 1e-4
    assert "clip_image" not in scores.values
    assert scores.reasons["clip_image_gain"] == "the domain has no reference pictures"
    without = score_portraits(bundle, styled, base.base_views, target)
    assert without.means()["identity"] == pytest.approx(scores.means()["identity"])
    assert "drawn people have them" in without.reasons["truth_distance"]
    with pytest.raises(InvalidArgumentError, match="photos must be 4 portraits, as styled, got 1"):
        score_portraits(bundle, styled, base.base_views, target, photos=photos[:1])


def test_feature_networks_have_names_and_nothing_is_downloaded(bundle, tmp_path, monkeypatch):
    network = feature_network(bundle)
    assert network.name == "itportrait-mini-perceptual"
    images = torch.rand(5, 3, 32, 32)
    assert network.features(images, batch_size=2).shape[0] == 5
    with pytest.raises(UnknownNameError, match=r"known: inception, perceptual"):
        feature_network(bundle, "vgg")
    monkeypatch.setattr("itportrait.evaluate.features.find_spec", lambda name: None)
    with pytest.raises(MissingModelError, match=r"pip install 'itportrait\[inception\]'"):
        feature_network(bundle, "inception")
    monkeypatch.setattr("itportrait.evaluate.features.find_spec", lambda name: object())
    with pytest.raises(MissingModelError, match=r"not at .*absent.pth; fetch them with `curl"):
        feature_network(bundle, "inception", weights=tmp_path / "absent.pth")
