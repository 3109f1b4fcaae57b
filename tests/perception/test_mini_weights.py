"""The shipped weights: small, quick to open, and able to do what they are shipped for."""

import time
from pathlib import Path

import open_clip
import pytest
import torch

import itportrait
from itportrait.bundle import load_bundle
from itportrait.card.inversion import draw_views
from itportrait.hyper.method import HyperInversion
from itportrait.invert import InvertConfig
from itportrait.invert.problem import Problem
from itportrait.metrics import psnr
from itportrait.portraits import HELD_OUT_SEED, sample_people
from itportrait.styles.generators import tuned

FOLDER = Path(itportrait.__file__).parent / "mini" / "weights"


@pytest.fixture(scope="module")
def bundle():
    return load_bundle("mini")


def test_weights_are_small_and_verified(bundle):
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 25e6
    bundle.verify()


def test_all_models_load_within_a_second_or_so(bundle):
    def load() -> float:
        start, fresh = time.process_time(), load_bundle("mini")
        for name in ("generator", "clips", "perceptual", "identity", "encoder"):
            assert getattr(fresh, name) is not None
        return time.process_time() - start

    assert min(load() for _ in range(3)) < 2.0  # the bar is 1 s on an idle machine


def test_clip_encodes_to_unit_vectors_with_gradients(bundle):
    model = bundle.clips[0]
    image = (torch.rand(2, 3, 128, 128) * 2 - 1).requires_grad_()
    features = model.encode_image(image)
    assert torch.allclose(features.norm(dim=1), torch.ones(2), atol=1e-5)
    features[:, 0].sum().backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().sum() > 0
    texts = model.encode_text(["a photo of a person", "a zombie"])
    assert torch.allclose(texts.norm(dim=1), torch.ones(2), atol=1e-5)
    prompt = model.encode_prompt("bronze statue")
    assert prompt.ndim == 1
    assert prompt.norm() == pytest.approx(1, abs=1e-5)


def test_the_hyper_network_shows_people_whom_it_has_not_seen(bundle):
    views = draw_views(sample_people(4, HELD_OUT_SEED), 128)
    images, cameras = views.floats(0), views.cameras[:1].expand(4, -1)
    method = HyperInversion(InvertConfig(method="hyper", refine_camera=False), bundle)
    solutions = method.run(Problem.of(images, cameras, tuple("abcd")))
    ws = torch.stack([solution.w_plus for solution in solutions])
    generator = tuned(bundle.generator, [solution.delta for solution in solutions])
    codes, _ = bundle.encoder(images)
    for view, least, gain in ((0, 25.5, 2.5), (1, 24.0, 0.5), (2, 24.0, 0.5)):
        camera, truth = views.cameras[view].expand(4, -1), views.floats(view)
        found = psnr(generator.synthesize(ws, camera).image, truth).mean()
        start = psnr(bundle.generator.synthesize(codes, camera).image, truth).mean()
        assert found > max(least, start + gain)


def test_open_clip_itself_opens_the_image_text_models(bundle):
    image = torch.rand(2, 3, 96, 96)
    for ours, item in zip(bundle.clips, bundle.spec.perception.clips, strict=True):
        folder = FOLDER / item.path
        open_clip.add_model_config(folder / "itportrait-mini.json")
        weights = str(folder / "clip.pt")
        theirs = open_clip.create_model("itportrait-mini", pretrained=weights).eval()
        assert torch.allclose(theirs.encode_image(image), ours.model.encode_image(image), atol=1e-5)


def test_image_text_models_share_open_clips_own_tokenizer(bundle):
    first, second = bundle.clips
    assert first.tokenizer is second.tokenizer
    own = open_clip.get_tokenizer("itportrait-mini")
    text = ["A bronze statue, with a beard!"]
    assert first.tokenizer(text).equal(own(text))


def test_clip_knows_its_vocabulary(bundle):
    model = bundle.clips[0]
    assert model.unknown_words("a bronze statue of a person") == []
    assert model.unknown_words("a cyberpunk zombie, cyberpunk!") == ["cyberpunk"]


def test_truncation_gathers_samples_at_the_mean(bundle):
    generator, camera = bundle.generator, bundle.camera_prior
    z = torch.randn(4, generator.z_dim, generator=torch.Generator().manual_seed(0))
    view = camera.sample(1, torch.Generator().manual_seed(0)).expand(4, -1)
    spread = []
    with torch.no_grad():
        for psi in (1.0, 0.5):
            image = generator.synthesize(generator.mapping(z, view, psi), view).image
            spread.append(image.std(0).mean())
    assert spread[1] < 0.8 * spread[0]


def test_the_encoder_knows_the_generators_own_samples(bundle):
    generator = bundle.generator
    rng = torch.Generator().manual_seed(4)
    view = bundle.camera_prior.sample(6, rng)
    z = torch.randn(6, generator.z_dim, generator=rng)
    with torch.no_grad():
        image = generator.synthesize(generator.mapping(z, view), view).image
        again = generator.synthesize(bundle.encoder(image)[0], view).image
    error = (again - image).square().mean((1, 2, 3))
    other = (again - image.roll(1, 0)).square().mean((1, 2, 3))
    assert (error < 0.5 * other).all()
    assert bundle.identity.similarity(image, again).mean() > 0.4
