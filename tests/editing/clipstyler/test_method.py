"""What is characteristic of clipstyler: networks of portraits that depend on nobody else."""

from dataclasses import replace

import pytest
import torch

from itportrait.adapt import adapt_domain, adapt_fingerprint, misfits
from itportrait.editing.clipstyler import style as style_module
from itportrait.editing.clipstyler.network import Networks, Shape
from itportrait.errors import CheckpointError
from itportrait.geometry.camera import look_at_camera
from itportrait.styles import (
    Codes,
    NoDensityError,
    PreparedGenerator,
    read_style,
)
from tests.helpers.method_runs import method_of, recorded, same
from tests.helpers.tiny_family import own_samples

FEW = {
    "steps": 4,
    "channels": 2,
    "patches": 3,
    "from_picture": True,
    "learning_rate": 0.02,
}


@pytest.fixture
def spec(make_spec):
    return make_spec("text", method="clipstyler", options={**FEW, "probe.count": 2})


@pytest.fixture
def style(bundle, spec):
    method = method_of(bundle, spec)
    return method.styles(method.tensors(), {})["clipstyler"].with_models(bundle)


@pytest.fixture(scope="module")
def codes(bundle):
    _, ws = own_samples(bundle, 3)
    return Codes(ws, look_at_camera(torch.tensor([0.1, -0.2, 0.3]), 0.0, bundle.orbit))


@torch.no_grad()
def picture(bound):
    return bound.render(bound.codes.cameras).final_image


def test_networks_of_a_batch_are_those_of_each_alone():
    for from_picture in (False, True):
        shape = Shape(2, from_picture)
        rng = torch.Generator().manual_seed(1)
        weights = torch.stack([shape.initial(rng) for _ in range(3)])
        image = torch.rand(3, 3, 16, 24, generator=rng) * 2 - 1
        made = Networks(shape, weights)(image)
        assert float(made.abs().max()) <= 1
        alone = [Networks(shape, weights[n : n + 1])(image[n : n + 1]) for n in range(3)]
        torch.testing.assert_close(made, torch.cat(alone), atol=1e-5, rtol=1e-4)
        views = Networks(shape, weights[:1])(image)  # one network, several views
        torch.testing.assert_close(views[:1], made[:1], atol=1e-5, rtol=1e-4)


def test_a_portrait_is_fitted_alike_in_any_batch(bundle, style, codes):
    prepared = style.prepare(bundle.generator)
    together, turned = prepared.bind(codes), prepared.bind(codes[[2, 1, 0]])
    again = prepared.bind(codes)
    assert together.fitted == again.fitted
    plain, images = picture(PreparedGenerator(bundle.generator).bind(codes)), picture(together)
    assert float((images - plain).abs().mean()) > 0.02
    assert turned.fitted == together.fitted[::-1]
    assert [prepared.bind(codes[[row]]).fitted[0] for row in range(3)] == list(together.fitted)
    values = {**style.info["clipstyler"], "batch": 2}
    quicker = replace(style, info={"clipstyler": values}).prepare(bundle.generator)
    torch.testing.assert_close(picture(quicker.bind(codes)), images, atol=2e-3, rtol=0)
    other = replace(style, info={"clipstyler": {**style.info["clipstyler"], "seed": 6}})
    assert float((picture(other.prepare(bundle.generator).bind(codes)) - images).abs().max()) > 0.01


def test_more_steps_bring_the_change_nearer_to_the_words(bundle, style, codes):
    values = {**style.info["clipstyler"], "steps": 40, "patch_share": 1.0, "content": 0.0}
    longer = replace(style, info={"clipstyler": values})
    plain = picture(PreparedGenerator(bundle.generator).bind(codes))
    reached = []
    for each in (style, longer):
        image = picture(each.prepare(bundle.generator).bind(codes))
        old, new = (bundle.clips[0].encode_image(x) for x in (plain, image))
        reached.append(float(torch.cosine_similarity(new - old, style.direction[None]).mean()))
    assert reached[1] > max(reached[0], 0.5)


def test_strength_needs_no_other_fit_and_zero_is_the_base(bundle, style, codes, monkeypatch):
    whole = style.prepare(bundle.generator).bind(codes)
    monkeypatch.setattr(style_module, "fit_networks", None)  # fitting again would fail
    plain = PreparedGenerator(bundle.generator).bind(codes)
    none, half = (
        style.prepare(bundle.generator, strength).bind(codes, fitted=whole.fitted)
        for strength in (0.0, 0.5)
    )
    assert torch.equal(picture(none), picture(plain))
    torch.testing.assert_close(picture(half), (picture(plain) + picture(whole)) / 2)
    read = read_style(style.to_bytes())  # without models
    again = read.prepare(bundle.generator).bind(codes, fitted=whole.fitted)
    assert torch.equal(picture(again), picture(whole))
    with torch.no_grad():
        depth, base = (b.render(codes.cameras, super_resolve=False) for b in (whole, plain))
    assert torch.equal(depth.image_depth, base.image_depth)
    assert torch.equal(depth.image_alpha, base.image_alpha)
    with pytest.raises(NoDensityError, match="no mesh can be made"):
        whole.density(torch.zeros(3, 1, 3))
    assert whole.volume is None


def test_what_does_not_fit_is_refused(bundle, style, codes):
    larger = replace(style, info={"clipstyler": {**style.info["clipstyler"], "channels": 3}})
    fitted = style.prepare(bundle.generator).bind(codes[:1]).fitted
    for other, data in ((larger, fitted), (style, (fitted[0][:-4],)), (style, (b"",))):
        with pytest.raises(CheckpointError, match="what was fitted to a portrait"):
            other.prepare(bundle.generator).bind(codes[:1], fitted=data)
    for info in ({}, {"clipstyler": {"stepps": 1}}):
        with pytest.raises(CheckpointError, match="not a style of clipstyler"):
            read_style(replace(style, info=info).to_bytes())


def test_contrast_is_about_the_mean_gray():
    image = torch.tensor([-0.5, 0.1]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    shown = style_module.with_contrast(image, 1.5)
    torch.testing.assert_close(shown[0, :, 0], torch.tensor([[-0.65, 0.25]]).expand(3, 2))
    assert style_module.with_contrast(image, 1.0) is image


def test_a_run_is_one_step_and_a_resumed_one_gives_the_same(bundle, config, spec):
    begun = []
    result, reports, states = recorded(bundle, spec, config, on_start=begun.append)
    assert begun[0].metrics["identity"] == pytest.approx(1, abs=1e-4)
    assert [(report.step, report.last) for report in reports] == [(1, True)]
    assert result.step == 1
    assert result.metrics["clip_direction"] > begun[0].metrics["clip_direction"]
    assert result.metrics["depth_variance"] == pytest.approx(1, abs=1e-4)
    again = adapt_domain(bundle, spec, config, resume_state=states[0])
    assert same(again.style, result.style)
    assert again.metrics.keys() == result.metrics.keys()
    digests = {
        adapt_fingerprint(s, config, bundle.model_id)
        for s in (spec, spec.model_copy(update={"steps": 99}))
    }
    assert digests == {result.style.info["fingerprint"]}


def test_pictures_are_refused(make_spec):
    problem = misfits(make_spec("image", method="clipstyler"))["mode"]
    assert "must be text with method 'clipstyler'" in problem
    assert "image_text" in misfits(make_spec("text", method="jojogan+clipstyler"))["mode"]
