"""Mirror images as views: their weights by yaw, their light, and cameras that follow."""

import pytest
import torch
from torch.nn import functional as F

from itportrait.generator.base import Rendering
from itportrait.geometry.camera import look_at_camera, mirror_camera
from itportrait.invert.camera import correct_camera
from itportrait.invert.mirror import in_light_of, mirror_image, yaw_weight
from itportrait.invert.objective import Objective, PictureLoss
from itportrait.invert.problem import Target
from itportrait.invert.settings import LossWeights
from tests.helpers.tiny_family import tiny_bundle

SIZE, CELLS = 32, 8


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


def stripes(count=1):
    """Fine lines without a mean: what light does not change."""
    line = torch.tensor([0.3, -0.3]).repeat(SIZE // 2)
    return line.expand(count, 3, SIZE, SIZE).clone()


def light(left, right):
    ramp = torch.linspace(left, right, SIZE).expand(1, 3, SIZE, SIZE)
    return F.interpolate(F.avg_pool2d(ramp, SIZE // CELLS), (SIZE, SIZE), mode="bilinear")


def rendering_of(image, alpha=None):
    raw = F.avg_pool2d(image, 4)
    alpha = torch.ones_like(raw[:, :1]) if alpha is None else alpha
    return Rendering(image, raw, torch.full_like(alpha, 2.7), alpha)


@pytest.mark.parametrize(("yaw", "weight"), [(0.0, 0), (0.19, 0), (0.21, 0.304), (0.5, 0.442)])
def test_weights_are_the_published_ones_on_both_sides(yaw, weight):
    for side in (-1, 1):
        value = float(yaw_weight(look_at_camera(side * yaw, 0.1)))
        assert value == pytest.approx(weight, abs=2e-3)


def test_a_mirror_image_takes_the_light_of_the_render_and_keeps_its_lines():
    seen = torch.ones(1, 1, SIZE, SIZE)
    lit = in_light_of(stripes() + light(0.4, -0.4), light(-0.4, 0.4), seen, CELLS)
    torch.testing.assert_close(lit, stripes() + light(-0.4, 0.4), atol=0.03, rtol=0)


def test_light_is_measured_where_the_head_is_seen():
    seen = torch.zeros(1, 1, SIZE, SIZE)
    seen[..., 8:24] = 1
    image, render = torch.zeros(1, 3, SIZE, SIZE), torch.full((1, 3, SIZE, SIZE), 5.0)
    render[..., 8:24] = 0.2
    lit = in_light_of(image, render, seen, CELLS)
    torch.testing.assert_close(lit[..., 8:24], render[..., 8:24])


def test_a_render_in_another_light_has_no_loss_and_one_of_other_lines_has(bundle):
    portraits = Target(stripes() + light(0.4, -0.4), look_at_camera(0.5, 0.0))
    target = mirror_image(portraits, factor=1, light_cells=CELLS)
    loss = PictureLoss(LossWeights(), bundle, target)
    other_light = loss(rendering_of(stripes().flip(-1) + light(-0.6, 0.2)))
    no_lines = loss(rendering_of(light(-0.6, 0.2)))
    assert float(no_lines) > 20 * float(other_light)


def test_gradients_ask_for_the_lines(bundle):
    portraits = Target(stripes(), look_at_camera(0.5, 0.0))
    target = mirror_image(portraits, factor=1, light_cells=CELLS)
    render = torch.zeros(1, 3, SIZE, SIZE, requires_grad=True)
    weights = LossWeights(l2=1, l1=0, raw=0, perceptual=0)
    PictureLoss(weights, bundle, target)(rendering_of(render)).sum().backward()
    wanted = -render.grad / render.grad.abs().max()
    torch.testing.assert_close(wanted, stripes().flip(-1) / 0.3, atol=0.01, rtol=0)


def test_what_lies_behind_the_head_and_masks_are_not_compared(bundle):
    mask = torch.ones(1, 1, SIZE, SIZE)
    mask[..., :8] = 0
    portraits = Target(stripes(), look_at_camera(0.5, 0.0), mask=mask)
    target = mirror_image(portraits, factor=1, light_cells=CELLS)
    assert bool((target.mask[..., -8:] == 0).all())
    alpha = torch.zeros(1, 1, 8, 8)
    alpha[..., 4:] = 1
    render = torch.zeros(1, 3, SIZE, SIZE, requires_grad=True)
    weights = LossWeights(l2=1, l1=0, raw=0, perceptual=0)
    PictureLoss(weights, bundle, target)(rendering_of(render, alpha)).sum().backward()
    changed = render.grad.abs().amax((0, 1, 2)) > 0
    assert not changed[:12].any()
    assert not changed[-8:].any()
    assert changed[18:24].all()


def test_the_camera_of_a_mirror_image_follows_the_portraits(bundle):
    portraits = Target(stripes(), look_at_camera(0.5, 0.0))
    targets = [portraits, mirror_image(portraits, factor=1, light_cells=CELLS)]
    correction = torch.tensor([[0.5, -0.3, 0.2, 0.1, -0.4, 0.3]])
    cameras = Objective(LossWeights(), bundle, targets).cameras(correction)
    torch.testing.assert_close(cameras[0], correct_camera(portraits.camera, correction))
    torch.testing.assert_close(cameras[1], mirror_camera(cameras[0]))
