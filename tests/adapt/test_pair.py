"""Pairs and references."""

import numpy as np
import pytest
import torch

from itportrait.adapt.pair import Pair, build_pair, build_pairs, code_prior
from itportrait.adapt.references import Reference, load_references
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import PairConfig
from itportrait.adapt.workers import Workers
from itportrait.errors import DecodeError, InvalidArgumentError
from itportrait.geometry.camera import look_at_camera
from itportrait.image import encode, to_uint8
from itportrait.learning.seeds import step_rng


@pytest.fixture(scope="module")
def prior(bundle):
    return code_prior(bundle, step_rng(0, 0, 0, "prior"))


@pytest.fixture(scope="module")
def portrait(bundle, prior):
    """Return a render of a known code at a known camera, as a style image."""
    ws = random_codes(bundle, 1, step_rng(7, 0, 0))
    ws[:, 4:] = prior.mean
    camera = look_at_camera(0.2, 0.1)
    image = bundle.generator.synthesize(ws, camera).image
    return Reference(to_uint8(image)[0], camera[0].numpy())


def test_the_prior_whitens_codes(bundle, prior):
    w = random_codes(bundle, 500, step_rng(1, 0, 0))[:, 0]
    u = prior.whiten(w)
    assert float(u.square().mean()) == pytest.approx(1.0, abs=0.15)
    near = prior.color(torch.zeros(1, len(prior.to_w)))
    torch.testing.assert_close(near[0], prior.mean)


def test_the_twin_comes_nearer_with_steps(bundle, prior, portrait):
    few = build_pair(bundle, portrait, PairConfig(steps=1), prior)
    many = build_pair(bundle, portrait, PairConfig(steps=60), prior)
    assert many.report.perceptual + many.report.structure < 0.8 * (
        few.report.perceptual + few.report.structure
    )
    assert many.report.steps == 60
    assert np.isfinite(list(many.report.to_dict().values())).all()


def test_rows_of_color_are_a_photos(bundle, prior, portrait):
    pair = build_pair(bundle, portrait, PairConfig(steps=2, shared_rows=2), prior)
    rows = pair.w_plus[0]
    torch.testing.assert_close(rows[2:], prior.mean.expand(4, -1))
    assert torch.equal(rows[0], rows[1])
    assert not torch.allclose(rows[0], prior.mean)


def test_a_given_camera_is_kept_and_a_missing_one_is_sought(bundle, prior, portrait):
    pair = build_pair(bundle, portrait, PairConfig(steps=3), prior)
    torch.testing.assert_close(pair.camera[0], torch.from_numpy(portrait.camera))
    free = Reference(portrait.pixels)
    first = build_pair(bundle, free, PairConfig(steps=1), prior)
    later = build_pair(bundle, free, PairConfig(steps=5), prior)
    assert not torch.allclose(first.camera, later.camera)


def test_state(bundle, prior, portrait):
    pair = build_pair(bundle, portrait, PairConfig(steps=2), prior)
    again = Pair.from_state(pair.state_dict(), torch.device("cpu"))
    assert again.report == pair.report
    assert torch.equal(again.twin, pair.twin)


def test_workers_take_the_twins_of_the_first(bundle, portrait):
    class Second(Workers):
        def from_first(self, value):
            return [{**state, "w_plus": state["w_plus"] + 1} for state in value]

    (own,), (given,) = (
        build_pairs(bundle, [portrait], PairConfig(steps=1), 0, workers)
        for workers in (Workers(), Second())
    )
    assert torch.equal(given.w_plus, own.w_plus + 1)
    assert torch.equal(given.twin, own.twin)


def test_references_are_read_and_checked(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    (tmp_path / "style.png").write_bytes(encode(pixels))
    (loaded,) = load_references([str(tmp_path / "style.png")])
    assert loaded.camera is None
    assert loaded.sha256 == Reference(pixels).sha256
    with pytest.raises(InvalidArgumentError, match="align the style image"):
        Reference(np.zeros((16, 20, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DecodeError):
        load_references([str(tmp_path / "broken.png")])
