"""Styles that shift style space: exact, linear, and without effect on what a portrait has tuned."""

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.styles import Codes, LatentStyle, WeightDelta, prepare_blend, read_style
from itportrait.styles.generators import tuned
from tests.helpers.tiny_family import own_samples, tiny_bundle

BIAS = "backbone.synthesis.b8.conv1.affine.bias"


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def codes(bundle):
    photos, ws = own_samples(bundle, 2)
    return Codes(ws, torch.stack([torch.as_tensor(photo.camera) for photo in photos]))


def shifted(bundle, name="older", size=0.3, bias=BIAS):
    shape = bundle.generator.get_parameter(BIAS).shape
    return LatentStyle(name, bundle.model_id, {bias: torch.full(shape, size)}, {"words": "old"})


def test_what_is_added_reaches_the_convolution_and_no_other(bundle, codes):
    generator = bundle.generator
    style = shifted(bundle)
    before, after = (g.get_submodule(BIAS.removesuffix(".bias")) for g in
                     (generator, style.apply(generator, 0.5)))  # fmt: skip
    torch.testing.assert_close(after(codes.ws[:, 2]), before(codes.ws[:, 2]) + 0.15)
    plain = generator.synthesize(codes.ws, codes.cameras).final_image
    assert torch.equal(style.prepare(generator, 0.0).render(codes).final_image, plain)
    image = style.prepare(generator).render(codes).final_image
    assert (image - plain).abs().amax((1, 2, 3)).min() > 1e-3
    again = read_style(style.to_bytes())
    assert type(again) is LatentStyle
    assert again.info == style.info
    assert torch.equal(again.prepare(generator).render(codes).final_image, image)


def test_two_edits_are_added(bundle, codes):
    both = prepare_blend(bundle.generator, [(shifted(bundle), 1.0), (shifted(bundle, "b"), 0.5)])
    once = shifted(bundle).prepare(bundle.generator, 1.5)
    torch.testing.assert_close(
        both.render(codes).final_image, once.render(codes).final_image, atol=1e-5, rtol=0
    )


def test_a_tuned_portrait_keeps_its_whole_difference(bundle, codes):
    name = "decoder.net.0.bias"
    name = next(n for n, p in bundle.generator.named_parameters() if n.startswith("decoder."))
    change = torch.full_like(bundle.generator.get_parameter(name), 0.2)
    delta = WeightDelta({name: change}, fades=True)
    portraits = Codes(codes.ws, codes.cameras, (delta, None))
    image = shifted(bundle).prepare(bundle.generator).render(portraits).final_image
    by_hand = tuned(shifted(bundle).apply(bundle.generator), [delta])
    expected = by_hand.synthesize(codes.ws[:1], codes.cameras[:1]).final_image
    torch.testing.assert_close(image[:1], expected, atol=1e-5, rtol=0)


def test_a_generator_without_such_maps_is_refused(bundle):
    style = shifted(bundle, bias="backbone.synthesis.b512.conv1.affine.bias")
    with pytest.raises(InvalidArgumentError, match=r"a tensor backbone.*base model tiny-0"):
        style.prepare(bundle.generator)
