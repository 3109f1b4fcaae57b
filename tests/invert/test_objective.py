"""The loss against several views of a portrait, with masks and weights."""

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.generator.whitened import WhitenedSpace
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.invert import InvertConfig, LossWeights, Problem, Target
from itportrait.invert.camera import EXPECTED_ERROR
from itportrait.invert.objective import Objective, PictureLoss
from itportrait.invert.optimize import BatchOptimizer
from itportrait.metrics import psnr
from tests.helpers.tiny_family import tiny_bundle

ALL_TERMS = LossWeights(identity=0.5)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def scene(bundle):
    """Two people from the front and from one side: codes, cameras, renderings."""
    rng = torch.Generator().manual_seed(4)
    front, side = (look_at_camera(torch.full((2,), yaw), torch.zeros(2)) for yaw in (0.0, 0.4))
    ws = bundle.generator.mapping(torch.randn(2, bundle.generator.z_dim, generator=rng), front)
    return ws, (front, side), [bundle.generator.synthesize(ws, c) for c in (front, side)]


def test_a_view_that_is_met_costs_nothing_and_another_something(bundle, scene):
    _, (front, _), (first, second) = scene
    loss = PictureLoss(ALL_TERMS, bundle, Target(first.image, front))
    assert loss(second).min() > 1e-3
    same = PictureLoss(LossWeights(raw=0.0, identity=0.5), bundle, Target(first.image, front))
    torch.testing.assert_close(same(first), torch.zeros(2), atol=1e-5, rtol=0)


def test_what_a_mask_hides_does_not_pull(bundle, scene):
    _, (front, _), (first, _) = scene
    mask = torch.ones(2, 1, 32, 32)
    mask[:, :, :, 20:] = 0
    spoiled = first.image.clone()
    spoiled[:, :, :, 24:] = 1.0  # away from the mask's edge, which the raw image mixes
    clean, covered = (
        PictureLoss(ALL_TERMS, bundle, Target(image, front, mask))
        for image in (first.image, spoiled)
    )
    torch.testing.assert_close(clean(first), covered(first), atol=2e-3, rtol=0)
    assert (PictureLoss(ALL_TERMS, bundle, Target(spoiled, front))(first) > 0.05).all()


def test_the_gradient_is_zero_where_the_mask_hides(bundle, scene):
    _, (front, _), (first, second) = scene
    mask = torch.ones(2, 1, 32, 32)
    mask[:, :, :, 20:] = 0
    image = second.image.clone().requires_grad_()
    loss = PictureLoss(ALL_TERMS, bundle, Target(first.image, front, mask))
    loss(
        type(second)(image, second.image_raw, second.image_depth, second.image_alpha)
    ).sum().backward()
    assert image.grad[:, :, :, 20:].abs().max() == 0
    assert image.grad[:, :, :, :20].abs().max() > 0


def test_views_add_up_by_their_weights_and_zero_is_as_if_absent(bundle, scene):
    _, (front, side), (first, second) = scene
    other = first.image.flip(0)
    one = Objective(ALL_TERMS, bundle, [Target(other, front)])
    weight = torch.tensor([0.0, 0.5])
    two = Objective(ALL_TERMS, bundle, [Target(other, front), Target(other, side, weight=weight)])
    extra = PictureLoss(ALL_TERMS, bundle, Target(other, side))(second)
    torch.testing.assert_close(
        two.pictures([first, second]), one.pictures([first]) + weight * extra
    )
    two.keep(torch.tensor([1]))
    part = [
        type(r)(r.image[1:], r.image_raw[1:], r.image_depth, r.image_alpha) for r in (first, second)
    ]
    torch.testing.assert_close(two.pictures(part), (one.pictures([first]) + weight * extra)[1:])


def test_a_second_view_helps_the_view_that_the_first_does_not_show(bundle, scene):
    ws, (front, side), (first, second) = scene
    config = InvertConfig.parse({"steps": 40, "early_stop": False, "refine_camera": False})
    space = WhitenedSpace.of(bundle.generator, frontal_camera(), samples=500, seed=0)
    start = space.whiten(bundle.generator.w_avg.expand_as(ws).clone())

    def side_view(*targets):
        solutions = BatchOptimizer(
            Problem(targets, ("a", "b")),
            start,
            config=config,
            bundle=bundle,
            space=space,
            tied_steps=0,
            noise=0.0,
        ).run()
        found = torch.stack([solution.w_plus for solution in solutions])
        return psnr(bundle.generator.synthesize(found, side).image, second.image)

    alone = side_view(Target(first.image, front))
    both = side_view(Target(first.image, front), Target(second.image, side))
    assert (both > alone).all()
    assert (both - alone).mean() > 1


def test_only_the_portraits_own_camera_is_refined(bundle, scene):
    _, (front, side), (first, second) = scene
    objective = Objective(
        ALL_TERMS, bundle, [Target(first.image, front), Target(second.image, side)]
    )
    moved = objective.cameras(torch.full((2, 6), 0.5))
    assert not torch.equal(moved[0], front)
    assert moved[1] is side


def test_a_camera_is_held_as_surely_as_it_is_known(bundle, scene):
    _, (front, _), (first, _) = scene
    weights = LossWeights(prior=0, spread=0, camera=1)
    correction = torch.ones(2, 6)
    usual = torch.tensor(EXPECTED_ERROR[:2])

    def penalty(std):
        target = Target(first.image, front, camera_std=std)
        return Objective(weights, bundle, [target]).plausibility(torch.zeros(2, 4, 8), correction)

    assert penalty(None).tolist() == penalty(usual.expand(2, 2)).tolist() == [1, 1]
    std = torch.stack([usual / 2, usual * 2])
    assert penalty(std).tolist() == pytest.approx([(4 * 2 + 4) / 6, (0.25 * 2 + 4) / 6])
    assert Target(first.image, front, camera_std=std).keep(torch.tensor([1])).camera_std is not None


def test_targets_that_do_not_fit_are_refused_by_name(scene):
    _, (front, side), (first, _) = scene
    good = Target(first.image, front)
    with pytest.raises(InvalidArgumentError, match="the portrait's view"):
        Problem((), ("a", "b"))
    with pytest.raises(InvalidArgumentError, match=r"targets\[1\].*2, 1 of them"):
        Problem((good, Target(first.image, side[:1])), ("a", "b"))
    with pytest.raises(InvalidArgumentError, match=r"targets\[0\]"):
        Problem.of(first.image, front, ("a",))
