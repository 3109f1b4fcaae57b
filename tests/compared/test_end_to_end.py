"""Methods of this package from the command line to a champion, on a tiny bundle in a folder."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from itportrait.adapt.sampling import random_codes
from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.cli import app
from itportrait.geometry.camera import frontal_camera
from itportrait.image import encode
from itportrait.learning.seeds import step_rng
from itportrait.styles import (
    Codes,
    DeformedStyle,
    LatentStyle,
    PreparedGenerator,
    WeightStyle,
    read_style,
)
from tests.helpers.tiny_folder import write_tiny_bundle

SMALL = ("adapt.probe.count=2", "adapt.probe.every=2", "adapt.probe.images=1")
WORDS, PICTURE = ("--prompt", "bronze"), ("--reference", "style.png")
METHODS_AND_INPUTS = {
    "stylegan_nada": (*WORDS, "--set", "adapt.methods.stylegan_nada.layer_rows=2"),
    "jojogan": (*PICTURE, *PICTURE, "--set", "adapt.methods.jojogan.pair.steps=1"),
    "stylegan_nada+jojogan": (
        *(*WORDS, *PICTURE),
        *("--set", "adapt.methods.stylegan_nada+jojogan.jojogan.pair.steps=1"),
    ),
    "jojogan+styleclip": (
        *(*WORDS, *PICTURE, "--set", "adapt.methods.jojogan+styleclip.jojogan.pair.steps=1"),
        *("--set", "adapt.methods.jojogan+styleclip.styleclip.directions.beta=0"),
        *("--set", "adapt.methods.jojogan+styleclip.styleclip.directions.relevance.samples=1"),
    ),
    "styleclip": (
        *(*WORDS, "--set", "adapt.methods.styleclip.directions.beta=0"),
        *("--set", "adapt.methods.styleclip.directions.relevance.samples=1"),
    ),
    "your3demoji": (
        *(*PICTURE, "--set", "adapt.methods.your3demoji.teacher.pair.steps=1"),
        *("--set", "adapt.methods.your3demoji.teacher.steps=1"),
    ),
}

DISCRIMINATOR = {"features": "perceptual", "channel_max": 4, "mapping_layers": 0, "blur": 0}
SETS = {
    "dr3d": {"batch": 2, "deformation.width": 4, "poses.refresh": 1},
    "avatargan3d": {
        **{"batch": 2, "warp.width": 4, "warp.points": 3},
        **{"cameras.faces": 4, "cameras.renders": 2, "cameras.refresh": 1},
    },
}
"""Settings of the methods that sets of pictures guide."""


def inputs_of(method):
    """Return what the command line says of a method, and of what guides its domain."""
    if method not in SETS:
        return METHODS_AND_INPUTS[method]
    own = SETS[method] | {f"adversary.{key}": value for key, value in DISCRIMINATOR.items()}
    settings = [f"adapt.methods.{method}.{key}={value}" for key, value in own.items()]
    return ["--pictures", "mini:clown", *(part for item in settings for part in ("--set", item))]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("methods")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITPORTRAIT_CACHE", str(root / "cache"))
        yield filled(root)


def filled(root):
    write_tiny_bundle(root / "bundle")
    pixels = np.random.default_rng(3).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    (root / "style.png").write_bytes(encode(pixels))
    return root


def adapt(place, method):
    inputs = [str(place / "style.png") if i == "style.png" else i for i in inputs_of(method)]
    settings = [
        part
        for item in (f"bundle={place / 'bundle'}", "gate.floors={}", *SMALL)
        for part in ("--set", item)
    ]
    bank = ("--bank", str(place / "bank"), "--method", method, "--steps", "2")
    return CliRunner().invoke(app, ["adapt", "red", *bank, *settings, *inputs])


@pytest.mark.parametrize("method", METHODS_AND_INPUTS)
def test_a_domain_is_adapted_published_and_found_again(place, method):
    done = adapt(place, method)
    assert done.exit_code == 0, done.output
    version = Bank(str(place / "bank")).champion("red")
    assert version.spec["method"] == method
    style = read_style(version.style_bytes())
    assert isinstance(style, LatentStyle if method == "styleclip" else WeightStyle)
    assert any(bool(change.any()) for change in style.tensors().values())
    base = load_bundle(place / "bundle").generator
    half, whole = (style.apply(base, strength) for strength in (0.5, 1.0))
    for name in style.tensors():
        start, end = base.get_parameter(name), whole.get_parameter(name)
        torch.testing.assert_close(half.get_parameter(name), (start + end) / 2)
    assert "holds this very domain already" in adapt(place, method).output


@pytest.mark.parametrize("method", SETS)
def test_a_set_of_pictures_is_adapted_to_published_and_found_again(place, method):
    done = adapt(place, method)
    assert done.exit_code == 0, done.output
    version = Bank(str(place / "bank")).champion("red")
    assert version.spec["method"] == method
    assert version.spec["pictures"] == "mini:clown"
    style = read_style(version.style_bytes())
    assert isinstance(style, DeformedStyle)
    bundle = load_bundle(place / "bundle")
    ws, camera = random_codes(bundle, 2, step_rng(0, 0, 0)), frontal_camera(bundle.orbit)
    codes = Codes(ws, camera.expand(2, -1))
    plain, none, whole = (
        prepared.render(codes).final_image
        for prepared in (
            PreparedGenerator(bundle.generator),
            style.prepare(bundle.generator, 0.0),
            style.prepare(bundle.generator),
        )
    )
    assert torch.equal(none, plain)
    assert float((whole - plain).abs().mean()) > 1e-3
    assert "holds this very domain already" in adapt(place, method).output
