"""The discriminator learns, draws a generator, is held back by R1, and goes on bit for bit."""

from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt.workers import Workers
from itportrait.adversarial import Adversary
from itportrait.adversarial.adversary import r1_penalty
from itportrait.adversarial.shown import Shown
from itportrait.geometry.camera import frontal_camera
from tests.helpers.tiny_family import tiny_generator


@pytest.fixture
def make(bundle, config):
    def make(**changes):
        return Adversary(config.model_copy(update=changes), bundle, seed=5, workers=Workers())

    return make


def test_blur_and_augmentation_count_the_pictures_of_all_workers(bundle, config, pictures, cameras):
    """Two workers with half the batch each go through a set as fast as one does."""

    class Pair(Workers):
        count = 2

    changes = {"augment_pictures": 40, "augment_every": 1, "blur": 4.0, "blur_pictures": 40}
    settings = config.model_copy(update={**changes, "overfit_target": -2.0})
    image, seen = pictures(0.2), []
    for workers, count in ((Workers(), 4), (Pair(), 2)):
        adversary = Adversary(settings, bundle, seed=5, workers=workers)
        shown = adversary.real(image[:count], cameras[:count])
        blurs = [adversary._seen(shown, index, "real").image[0] for index in (0, 5, 10)]
        assert not torch.equal(blurs[0], blurs[1])
        assert torch.equal(blurs[2], shown.image[0])
        log = [adversary.discriminator_step(shown, shown, index) for index in range(3)]
        seen.append((blurs, [entry["augment"] for entry in log]))
    torch.testing.assert_close(seen[0], seen[1])
    assert seen[0][1] == pytest.approx([0, 0.1, 0.2])


@pytest.fixture
def train(pictures, cameras):
    def train(adversary, steps):
        real, fake = (
            adversary.real(pictures(level, seed=seed), cameras)
            for level, seed in ((0.5, 1), (-0.5, 2))
        )
        return [adversary.discriminator_step(real, fake, index) for index in steps]

    return train


@pytest.mark.parametrize("features", ["learned", "perceptual"])
def test_it_learns_to_tell_sets_apart_and_draws_a_generator(
    make, train, pictures, cameras, features
):
    adversary = make(features=features, r1=0.1)
    logs = train(adversary, range(12))
    assert logs[-1]["discriminator"] < 0.7 * logs[0]["discriminator"]
    level = torch.tensor(-0.5, requires_grad=True)
    image = pictures(0.0, seed=3)
    image[:, 0] += level
    term = adversary.generator_term(adversary.real(image, cameras), 12)
    term.backward()
    assert float(level.grad) < 0  # redder is better
    assert not any(p.requires_grad for p in adversary.parameters)


def test_a_run_that_is_resumed_goes_on_bit_for_bit(make, train):
    changes = {"augment_pictures": 40, "augment_start": 0.3, "r1_every": 2, "blur": 1.0}
    whole, first, second = make(**changes), make(**changes), make(**changes)
    logs = train(whole, range(7))
    assert logs[-1]["augment"] != logs[0]["augment"]
    train(first, range(3))
    second.load_state_dict(first.state_dict())
    assert train(second, range(3, 7)) == logs[3:]
    for ours, theirs in zip(second.parameters, whole.parameters, strict=True):
        assert torch.equal(ours, theirs)


def test_r1_is_the_squared_gradient_and_comes_at_intervals(make, train, pictures, cameras):
    adversary = make()
    shown = adversary.real(pictures(0.1), cameras).requires_grad()
    weights = torch.randn(4, 3, 32, 32)
    scores = (shown.image * weights).sum((1, 2, 3))[:, None] + 2 * shown.image_raw.sum((1, 2, 3))[
        :, None
    ]
    expected = weights.square().sum((1, 2, 3)).mean() + 4 * 3 * 64
    torch.testing.assert_close(r1_penalty(scores, shown), expected)
    logs = train(make(r1_every=3), range(7))
    assert [index for index, log in enumerate(logs) if "r1" in log] == [0, 3, 6]
    strong, none = make(r1=100.0, r1_every=1), make(r1=0.0)
    train(none, range(8))
    gentle = train(strong, range(8))
    shown = strong.real(pictures(0.5, seed=1), cameras).requires_grad()
    free = float(r1_penalty(none.discriminator(shown), shown).detach())
    assert gentle[-1]["r1"] < 0.2 * free


def test_the_density_term_sees_neighbors_at_intervals(make):
    generator = tiny_generator().requires_grad_(True)
    ws = generator.mapping(torch.randn(2, generator.z_dim), frontal_camera())
    adversary = make(density_every=2, density_points=50, density_extent=None)
    planes = generator.planes(ws)
    term = adversary.density_term(generator, planes, 0)
    assert term is not None
    assert float(term.detach()) > 0
    assert adversary.density_term(generator, planes, 1) is None
    assert make(density=0.0).density_term(generator, planes, 0) is None
    term.backward()
    assert bool(generator.get_parameter("backbone.synthesis.b16.conv1.weight").grad.any())
    even = SimpleNamespace(box_warp=1.0, sample=lambda points, _: (torch.ones(2, 100, 1), None))
    assert float(adversary.density_term(even, planes, 0)) == 0


def test_both_versions_of_a_picture_get_gradients(make, pictures, cameras):
    adversary = make()
    image, raw = pictures(0.0).requires_grad_(), pictures(0.0, side=8).requires_grad_()
    adversary.generator_term(Shown(image, raw, cameras), 0).backward()
    assert bool(image.grad.any())
    assert bool(raw.grad.any())
