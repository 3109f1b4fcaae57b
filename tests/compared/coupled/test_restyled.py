"""jojogan+clipstyler: the copy of jojogan alone, and networks over its renders."""

import math

import pytest
import torch

from itportrait.adapt import adapt_domain
from itportrait.geometry.camera import look_at_camera
from itportrait.styles import Codes, StackedStyle, read_style
from tests.helpers.tiny_family import own_samples

FEW = {"steps": 4, "channels": 2, "patches": 3, "from_picture": True, "learning_rate": 0.02}


@pytest.fixture
def codes(bundle):
    _, ws = own_samples(bundle, 3)
    return Codes(ws, look_at_camera(torch.tensor([0.1, -0.2, 0.3]), 0.0, bundle.orbit))


@torch.no_grad()
def picture(bound):
    return bound.render(bound.codes.cameras).final_image


def test_the_coupling_lies_over_the_trained_generator(bundle, config, make_spec, reference, codes):
    options = {"jojogan.pair.steps": 1, "learning_rate": 0.01, "clipstyler": FEW}
    spec = make_spec("image_text", method="jojogan+clipstyler", steps=2, options=options)
    result = adapt_domain(bundle, spec, config, references=[reference])
    style = read_style(result.style.to_bytes())
    assert isinstance(style, StackedStyle)
    assert any(bool(delta.any()) for delta in style.below.delta.values())
    alone = adapt_domain(
        bundle,
        make_spec(
            "image",
            method="jojogan",
            steps=2,
            options={"pair.steps": 1, "learning_rate": 0.01},
        ),
        config,
        references=[reference],
    ).style
    for name, delta in alone.delta.items():
        assert torch.equal(delta, style.below.delta[name])
    below = picture(style.below.prepare(bundle.generator).bind(codes))
    bound = style.with_models(bundle).prepare(bundle.generator).bind(codes)
    assert float((picture(bound) - below).abs().mean()) > 0.02
    assert math.isfinite(result.metrics["clip_image_gain"])
