"""Views that a tuning looks at in turn: draws, masks and weights, and that they move the result."""

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import look_at_camera
from itportrait.invert.problem import Problem, Solution, Target
from itportrait.invert.settings import LossWeights
from itportrait.invert.tuning import Tuner, TuningConfig
from itportrait.invert.views import DrawnViews
from itportrait.styles.generators import tuned
from tests.helpers.tiny_family import tiny_bundle

KEYS = ("a", "b", "c")
TUNED = {"steps": 6, "lr": 0.01, "depth": 0, "side_loss": 1e6, "depth_variance": [0, 100]}


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


def targets_of(count, *, rows=3, size=32):
    """Return views whose red is their number and whose green is their portrait's."""
    views = []
    for view in range(count):
        image = torch.zeros(rows, 3, size, size)
        image[:, 0] = view / count
        image[:, 1] = torch.arange(rows)[:, None, None] / rows
        views.append(Target(image, look_at_camera(0.1 * view, 0.0).expand(rows, -1)))
    return views


def drawn(bundle, targets, keys=KEYS, seed=0):
    return DrawnViews(targets, keys, weights=LossWeights(), bundle=bundle, seed=seed)


def numbers_drawn(views, steps, count):
    return torch.stack([views.draw().image[:, 0, 0, 0] * count for _ in range(steps)]).round()


def test_each_portrait_draws_all_of_its_views_in_an_order_of_its_own(bundle):
    chosen = numbers_drawn(drawn(bundle, targets_of(4)), 60, 4)
    for column in chosen.T:
        counts = torch.bincount(column.long(), minlength=4)
        assert (counts > 5).all()
    assert not torch.equal(chosen[:, 0], chosen[:, 1])


def test_draws_do_not_depend_on_batch_mates_nor_on_who_has_left(bundle):
    views = drawn(bundle, targets_of(4))
    first = numbers_drawn(views, 5, 4)
    views.keep(torch.tensor([1]))
    later = numbers_drawn(views, 5, 4)
    alone = drawn(bundle, targets_of(4, rows=1), keys=("b",))
    assert torch.equal(torch.cat([first[:, 1], later[:, 0]]), numbers_drawn(alone, 10, 4)[:, 0])


def test_a_view_keeps_its_own_portrait_camera_mask_and_weight(bundle):
    views = drawn(bundle, targets_of(4))
    views.factors = views.images[:, :, 0, 0, 0]
    target = views.draw()
    number = (target.image[:, 0, 0, 0] * 4).round()
    assert torch.equal(target.image[:, 1, 0, 0] * 3, torch.arange(3.0))
    assert torch.allclose(target.camera, look_at_camera(0.1 * number, torch.zeros(3)))
    assert torch.allclose(target.weight, number / 4)
    assert bool((target.mask == 1).all())


def test_no_view_is_an_error(bundle):
    with pytest.raises(InvalidArgumentError, match="at least one view"):
        drawn(bundle, [])


def test_views_pull_at_the_weights_as_far_as_their_mask_and_weight_let_them(bundle):
    """A white view from the side brightens it; hidden, or of weight 0, it changes nothing."""
    side = look_at_camera(0.4, 0.0)
    generator = bundle.generator
    ws = generator.w_avg.expand(1, generator.num_ws, -1)
    front = look_at_camera(0.0, 0.0)
    image = generator.synthesize(ws, front).image
    solutions = [Solution(ws[0], front[0], steps=0, seconds=0.0)]
    white = Target(torch.ones_like(image), side)
    brightness = {}
    for name, view in (
        ("none", None),
        ("seen", white),
        ("hidden", Target(white.image, side, mask=torch.zeros_like(image[:, :1]))),
        ("weightless", Target(white.image, side, weight=torch.zeros(1))),
    ):
        delta = (
            Tuner(
                Problem.of(image, front, ("a",)),
                solutions,
                options=TuningConfig.parse(TUNED),
                bundle=bundle,
                seed=0,
                early_stop=False,
                views=None if view is None else drawn(bundle, [view], keys=("a",)),
            )
            .run()[0]
            .delta
        )
        shown = tuned(generator, [delta]).synthesize(ws, side).image
        brightness[name] = float(shown.mean())
    assert brightness["seen"] > brightness["none"] + 0.1
    assert brightness["hidden"] == brightness["weightless"] == brightness["none"]
