"""A style of portraits over another style: prepared, fitted once for all strengths, and filed."""

from dataclasses import dataclass, replace

import pytest
import torch

from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.geometry.camera import look_at_camera
from itportrait.styles import (
    STYLE_KINDS,
    BoundStyle,
    Codes,
    NoDensityError,
    PortraitStyle,
    PreparedGenerator,
    PreparedStyle,
    StackedStyle,
    read_style,
)
from tests.helpers.tiny_family import own_samples, tint, tiny_bundle


@STYLE_KINDS.register("tests-brightness")
@dataclass(frozen=True, kw_only=True)
class Brightness(PortraitStyle):
    """Brings the mean of each portrait's own render to a value."""

    kind = "tests-brightness"
    value: torch.Tensor

    def over(self, shown, strength, *, full):
        return Brightened(self, shown, strength, full)


@dataclass
class Brightened(PreparedStyle):
    style: Brightness
    shown: PreparedStyle
    strength: float
    full: PreparedStyle

    def bind(self, codes, *, fitted=None):
        return BoundBrightness(self, codes, fitted)


class BoundBrightness(BoundStyle):
    def __init__(self, prepared, codes, fitted):
        self.prepared, self.codes, self.below = prepared, codes, prepared.shown.bind(codes)
        self.fitted = fitted or tuple(self.fit())

    def fit(self):
        self.prepared.style.fitting_models()
        image = self.prepared.full.render(self.codes).final_image
        for shift in self.prepared.style.value - image.mean((1, 2, 3)):
            yield shift.numpy().tobytes()

    def render(self, cameras, *, super_resolve=True):
        view = self.below.render(cameras, super_resolve=super_resolve)
        shift = torch.frombuffer(bytearray(b"".join(self.fitted)), dtype=torch.float32)
        shift = self.prepared.strength * shift[:, None, None, None]
        return replace(view, image=view.final_image + shift)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def codes(bundle):
    _, ws = own_samples(bundle, 2)
    return Codes(ws, look_at_camera(torch.tensor([0.1, -0.2]), 0.0, bundle.orbit))


@pytest.fixture(scope="module")
def style(bundle):
    parts = {"domain": "red", "base_model_id": bundle.model_id}
    below = replace(tint(bundle, 0), domain="red", info={"student": "adapted"})
    above = Brightness(**parts, value=torch.tensor(0.5), info={"kept": 1})
    return StackedStyle(**parts, below=below, above=above, info={"step": 3})


def means(bound, codes):
    with torch.no_grad():
        return bound.render(codes.cameras).final_image.mean((1, 2, 3))


@torch.no_grad()
def test_it_lies_over_the_style_below_at_the_same_strength(bundle, codes, style):
    guided = style.with_models(bundle)
    base = means(PreparedGenerator(bundle.generator).bind(codes), codes)
    tinted = means(style.below.prepare(bundle.generator).bind(codes), codes)
    half = means(style.below.prepare(bundle.generator, 0.5).bind(codes), codes)
    assert not torch.allclose(base, tinted, atol=1e-2)
    bound = {s: guided.prepare(bundle.generator, s).bind(codes) for s in (0.0, 0.5, 1.0)}
    torch.testing.assert_close(means(bound[1.0], codes), torch.full((2,), 0.5))
    torch.testing.assert_close(means(bound[0.0], codes), base)
    torch.testing.assert_close(means(bound[0.5], codes), half + 0.5 * (0.5 - tinted))
    assert bound[0.0].fitted == bound[0.5].fitted == bound[1.0].fitted
    with pytest.raises(NoDensityError):
        bound[1.0].density(torch.zeros(2, 1, 3))


@torch.no_grad()
def test_what_was_fitted_needs_no_models(bundle, codes, style):
    fitted = style.with_models(bundle).prepare(bundle.generator).bind(codes).fitted
    again = style.prepare(bundle.generator).bind(codes, fitted=fitted)
    torch.testing.assert_close(means(again, codes), torch.full((2,), 0.5))
    with pytest.raises(InvalidArgumentError, match=r"call style.with_models\(bundle\)"):
        style.prepare(bundle.generator).bind(codes)


def test_its_file_holds_both(bundle, style):
    read = read_style(style.to_bytes())
    assert isinstance(read, StackedStyle)
    assert isinstance(read.above, Brightness)
    assert (read.info, read.above.info) == ({"step": 3}, {"kept": 1})
    tensors, of_read = style.tensors(), read.tensors()
    assert len(tensors) == 2 == len(of_read)
    assert all(torch.equal(of_read[name], value) for name, value in tensors.items())
    for broken, message in (
        ({"stack": {"below": style.to_file().info["stack"]["below"]}}, "of the style above"),
        ({}, "of the style below"),
    ):
        file = replace(style.to_file(), info=broken)
        with pytest.raises(CheckpointError, match=message):
            read_style(file.to_bytes())
    swapped = style.to_file()
    swapped.info["stack"]["above"] = swapped.info["stack"]["below"]
    swapped = replace(swapped, tensors={"below/a": torch.ones(1), "above/a": torch.ones(1)})
    with pytest.raises(CheckpointError, match="cannot lie over another style"):
        read_style(swapped.to_bytes())


def test_a_damaged_stack_is_a_checkpoint_error(style):
    file = style.to_file()
    above = {key: t for key, t in file.tensors.items() if key.startswith("above/")}
    tensors = {**above, **{key.replace("above/", "below/"): t.clone() for key, t in above.items()}}
    stack = {**file.info["stack"], "below": file.info["stack"]["above"]}
    twice = replace(file, tensors=tensors, info={**file.info, "stack": stack})
    with pytest.raises(CheckpointError, match="not a stack: below must be a style that fits"):
        read_style(twice.to_bytes())


def test_a_style_below_must_fit_nothing(style):
    with pytest.raises(InvalidArgumentError, match="fits nothing to portraits"):
        replace(style, below=style.above)
