"""Generators as prepared styles: bits of the generator itself, deltas, and one portrait's views."""

import copy

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.styles import Codes, PreparedGenerator, WeightDelta, WeightStyle
from itportrait.styles.generators import tuned
from tests.helpers.tiny_family import tint, tiny_bundle


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def codes(bundle):
    generator = bundle.generator
    z = torch.randn(3, generator.z_dim, generator=torch.Generator().manual_seed(1))
    cameras = look_at_camera(torch.tensor([-0.2, 0.0, 0.3]), 0.0)
    return Codes(generator.mapping(z, frontal_camera()), cameras)


@torch.no_grad()
def test_views_are_the_generators_own_to_the_bit(bundle, codes):
    own = bundle.generator.synthesize(codes.ws, codes.cameras)
    view = PreparedGenerator(bundle.generator).render(codes)
    for name in ("image", "image_raw", "image_depth", "image_alpha"):
        assert torch.equal(getattr(view, name), getattr(own, name))


@torch.no_grad()
def test_one_portrait_is_seen_from_many_cameras_and_several_are_not(bundle, codes):
    prepared = PreparedGenerator(bundle.generator)
    views = prepared.bind(codes[:1]).render(codes.cameras)
    assert len(views.image) == 3
    depth = prepared.bind(codes[:1]).render(codes.cameras, super_resolve=False)
    assert depth.image is None
    assert torch.equal(depth.image_depth, views.image_depth)
    with pytest.raises(InvalidArgumentError, match="as many rows as planes"):
        prepared.bind(codes[:2]).render(codes.cameras)


@torch.no_grad()
def test_a_tuned_portrait_is_base_and_delta_and_strength_times_style(bundle, codes):
    style = tint(bundle, 0)
    name = next(name for name in style.delta)
    change = torch.tensor([0.0, 0.3, 0.0])
    tuned = Codes(codes.ws, codes.cameras, (None, WeightDelta({name: change}), None))
    bound = style.prepare(bundle.generator, 0.5).bind(tuned)
    image = bound.render(codes.cameras).image
    for row, delta in enumerate((0, change, 0)):
        generator = copy.deepcopy(bundle.generator)
        generator.get_parameter(name).add_(delta + 0.5 * style.delta[name])
        own = generator.synthesize(codes.ws[row : row + 1], codes.cameras[row : row + 1]).image
        torch.testing.assert_close(image[row : row + 1], own, atol=1e-5, rtol=0)
    points = torch.rand(3, 7, 3) - 0.5
    sigma, rgb = bound.density(points)
    plain = PreparedGenerator(bundle.generator).bind(codes).density(points)
    torch.testing.assert_close(sigma, plain[0])
    assert len(rgb) == 3
    with pytest.raises(InvalidArgumentError, match="3, one a portrait"):
        bound.render(codes.cameras[:2])
    alone = style.prepare(bundle.generator, 0.5).bind(tuned[1:2]).render(codes.cameras)
    assert len(alone.image) == 3  # a tuned portrait turns, too


@torch.no_grad()
@pytest.mark.parametrize(("strength", "left"), [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0), (1.5, 0.0)])
def test_a_difference_that_fades_is_gone_at_full_strength(bundle, codes, strength, left):
    style = tint(bundle, 0)
    name = next(name for name in style.delta)
    change = torch.tensor([0.0, 0.3, 0.0])
    fading = (None, WeightDelta({name: change}, fades=True), None)
    steady = (None, WeightDelta({name: left * change}), None)
    found, expected = (
        style.prepare(bundle.generator, strength).render(Codes(codes.ws, codes.cameras, deltas))
        for deltas in (fading, steady)
    )
    torch.testing.assert_close(found.image, expected.image, atol=1e-5, rtol=0)
    blend = WeightStyle.prepare_blend(bundle.generator, [(style, strength / 2)] * 2)
    both = blend.render(Codes(codes.ws, codes.cameras, fading))
    torch.testing.assert_close(both.image, expected.image, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("strength", "style"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (1.5, 1.0)])
def test_layers_that_a_style_paints_anew_keep_a_share_of_a_difference(
    bundle, codes, strength, style
):
    parameters = bundle.generator.parameters_of(bundle.generator.parts)
    rng = torch.Generator().manual_seed(3)
    full = {n: 0.2 * torch.randn(p.shape, generator=rng) for n, p in parameters.items()}
    shared = {
        name: change * (1 + style * (share_at_full(name) - 1)) for name, change in full.items()
    }
    generator = copy.deepcopy(bundle.generator)
    tinted = tint(bundle, 0)
    for name, parameter in generator.named_parameters():
        if name in shared:
            parameter.add_(shared[name])
        if name in tinted.delta:
            parameter.add_(strength * tinted.delta[name])
    own = generator.synthesize(codes.ws[:1], codes.cameras[:1])
    tuned = Codes(codes.ws[:1], codes.cameras[:1], (WeightDelta(full),))
    view = tinted.prepare(bundle.generator, strength).render(tuned)
    torch.testing.assert_close(view.image, own.image, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(view.image_depth, own.image_depth, atol=2e-5, rtol=1e-5)
    parts = [(tinted, strength / 2)] * 2
    blend = WeightStyle.prepare_blend(bundle.generator, parts).render(tuned)
    torch.testing.assert_close(blend.image, own.image, atol=2e-5, rtol=1e-5)


def share_at_full(name):
    """Return what counts of a layer's difference where a style is in at full strength."""
    if name.startswith(("background", "decoder")):
        return 0.0
    return 1.0 if ".affine." in name or ".torgb." in name else 0.5


@torch.no_grad()
def test_views_of_tuned_portraits_do_not_depend_on_their_batch(bundle, codes):
    rng = torch.Generator().manual_seed(3)
    parameters = bundle.generator.parameters_of(bundle.generator.parts)
    full = {n: 0.3 * torch.randn(p.shape, generator=rng) for n, p in parameters.items()}
    some = {n: -change for n, change in full.items() if n.startswith("superresolution")}
    deltas = (WeightDelta(full), None, WeightDelta(some))
    batch = Codes(codes.ws, codes.cameras, deltas)
    points = torch.rand(3, 7, 3, generator=rng) - 0.5
    prepared = tint(bundle, 0).prepare(bundle.generator, 0.5)
    together, turned = prepared.bind(batch), prepared.bind(batch[[2, 1, 0]])
    views, mirrored = together.render(codes.cameras), turned.render(codes.cameras.flip(0))
    sigma, rgb = together.density(points)
    for row in range(3):
        alone = prepared.bind(batch[[row]])
        view = alone.render(codes.cameras[[row]])
        for name in ("image", "image_raw", "image_depth", "image_alpha"):
            mine = getattr(view, name)[0]
            torch.testing.assert_close(getattr(views, name)[row], mine, atol=2e-5, rtol=1e-5)
            torch.testing.assert_close(getattr(mirrored, name)[2 - row], mine, atol=2e-5, rtol=1e-5)
        own = alone.density(points[[row]])
        torch.testing.assert_close(sigma[[row]], own[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(rgb[[row]], own[1], atol=1e-5, rtol=1e-5)
    plain = PreparedGenerator(bundle.generator).render(Codes(codes.ws, codes.cameras))
    assert ((views.image - plain.image).abs().amax((1, 2, 3)) > 0.1).all()


def test_a_delta_of_another_generator_is_refused(bundle, codes):
    foreign = Codes(codes.ws[:1], codes.cameras[:1], (WeightDelta({"x": torch.ones(1)}),))
    with pytest.raises(InvalidArgumentError, match=r"a tensor x of shape.*invert with the same"):
        PreparedGenerator(bundle.generator).bind(foreign)


@torch.no_grad()
def test_a_generator_in_training_is_seen_as_it_is(bundle, codes):
    generator = copy.deepcopy(bundle.generator)
    prepared = PreparedGenerator(generator)
    before = prepared.render(codes).image
    next(p for n, p in generator.named_parameters() if n.endswith("torgb.bias")).add_(1.0)
    assert not torch.equal(prepared.render(codes).image, before)


@torch.no_grad()
def test_a_portrait_without_a_delta_is_drawn_with_the_weights_as_they_are(bundle, codes):
    name = next(iter(tint(bundle, 0).delta))
    change = WeightDelta({name: torch.tensor([0.0, 0.3, 0.0])})
    image, plain = (
        tuned(bundle.generator, deltas).synthesize(codes.ws[:2], codes.cameras[:2]).image
        for deltas in ([change, None], [None, None])
    )
    own = bundle.generator.synthesize(codes.ws[:2], codes.cameras[:2]).image
    assert torch.equal(plain, own)
    torch.testing.assert_close(image[1], own[1], atol=1e-5, rtol=0)
    assert (image[0] - own[0]).abs().max() > 0.1
