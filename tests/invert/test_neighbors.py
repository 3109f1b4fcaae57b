"""Cameras beside a portrait's, and what its picture shows from them."""

import math

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit
from itportrait.geometry.rays import camera_rays
from itportrait.invert.loop import RowRandom
from itportrait.invert.neighbors import Model, Shape, WarpConfig, around, beside, warped
from itportrait.learning.seeds import key_rng
from tests.helpers.tiny_family import tiny_generator

SIZE = 48
LIMITS = {"yaw_rad": 0.3, "pitch_rad": 0.1, "orbit": FFHQ_ORBIT}


def random_of(*keys):
    return RowRandom([key_rng(0, key) for key in keys])


def wall(camera, *, solid=1.0):
    """The plane z = 0, which faces the frontal camera."""
    origins, directions = camera_rays(camera, SIZE)
    depth = (-origins[..., 2] / directions[..., 2]).view(-1, 1, SIZE, SIZE)
    return Shape(camera, depth, torch.full_like(depth, solid))


def trust_of(source, target, mask=None, **settings):
    image = torch.rand(len(source.camera), 3, SIZE, SIZE)
    config = WarpConfig.parse(settings)
    return warped(image, mask, source, target, config=config, orbit=FFHQ_ORBIT)[1]


@pytest.mark.parametrize(("draw", "middle"), [(beside, 0.5), (around, 0.0)])
def test_cameras_are_drawn_at_both_sides_above_and_below(draw, middle):
    random, camera = random_of("a"), look_at_camera(0.5, 0.0)
    drawn = torch.cat([draw(camera, random, **LIMITS) for _ in range(200)])
    yaw, pitch = camera_angles(drawn)
    for turns, limit in ((yaw - middle, 0.3), (pitch, 0.1)):
        # The turns are about the pivot; angles are about the origin, and pitch is of the height.
        assert turns.abs().max() < 1.6 * limit
        assert turns.max() > 0.8 * limit
        assert turns.min() < -0.8 * limit
        assert turns.mean().abs() < 0.15 * limit
        assert 0.4 < (turns > 0).float().mean() < 0.6


@pytest.mark.parametrize("draw", [beside, around])
def test_cameras_do_not_depend_on_batch_mates(draw):
    cameras = look_at_camera(torch.tensor([0.5, -0.4]), 0.0)
    together = draw(cameras, random_of("a", "b"), **LIMITS)
    torch.testing.assert_close(together[1:], draw(cameras[1:], random_of("b"), **LIMITS))
    assert not torch.allclose(together[:1], draw(cameras[:1], random_of("b"), **LIMITS))


@pytest.mark.parametrize("draw", [beside, around])
def test_cameras_are_those_of_the_family(draw):
    orbit = Orbit(radius=4.0, focal=6.0, pivot=(0.0, 0.1, 0.0))
    camera = look_at_camera(0.2, 0.0, orbit)
    drawn = draw(camera, random_of("a"), yaw_rad=0.3, pitch_rad=0.0, orbit=orbit)
    position, forward = drawn[0, [3, 7, 11]], drawn[0, [2, 6, 10]]
    to_pivot = torch.tensor(orbit.pivot) - position
    assert float(to_pivot.norm()) == pytest.approx(4.0, abs=0.1)
    assert float(forward @ to_pivot / to_pivot.norm()) == pytest.approx(1, abs=1e-4)
    assert float(drawn[0, 16]) == 6.0


def test_a_picture_is_trusted_in_full_at_its_own_camera_and_unchanged():
    camera, image = look_at_camera(0.0, 0.0), torch.rand(1, 3, SIZE, SIZE)
    shape = wall(camera)
    seen, trust = warped(image, None, shape, shape, config=WarpConfig(), orbit=FFHQ_ORBIT)
    inner = (..., slice(1, -1), slice(1, -1))
    assert bool((trust[inner] == 1).all())
    torch.testing.assert_close(seen[inner], image[inner], atol=1e-4, rtol=0)


def test_trust_falls_with_the_turn_to_none():
    front = wall(look_at_camera(0.0, 0.0))
    trusts = [
        float(trust_of(front, wall(look_at_camera(turn, 0.0)))[0, 0, SIZE // 2, SIZE // 2])
        for turn in (0.1, 0.3, 0.5, 0.8)
    ]
    assert trusts[0] == 1
    assert trusts[0] > trusts[1] > trusts[2] > trusts[3] == 0


def test_trust_falls_with_foreshortening():
    """The wall, seen nearly edge-on, says little of the wall that is faced."""
    settings = {"full_turn_rad": 3.0, "last_turn_rad": 3.1}
    edge, front = wall(look_at_camera(1.3, 0.0)), wall(look_at_camera(0.0, 0.0))
    middle = (0, 0, SIZE // 2, SIZE // 2)
    assert trust_of(edge, front, **settings)[middle] == 0
    assert trust_of(front, wall(look_at_camera(0.4, 0.0)), **settings)[middle] == 1


def test_what_is_masked_or_background_is_not_trusted():
    front, aside = wall(look_at_camera(0.0, 0.0)), wall(look_at_camera(0.1, 0.0))
    mask = torch.ones(1, 1, SIZE, SIZE)
    mask[..., : SIZE // 2] = 0
    trust = trust_of(front, aside, mask)
    assert trust[..., : SIZE // 2 - 8].max() == 0
    assert trust[..., SIZE // 2 + 8 : -8].min() == 1
    empty = wall(aside.camera, solid=0.0)
    assert trust_of(front, empty).max() == 0
    assert trust_of(wall(front.camera, solid=0.0), aside).max() == 0


def test_masked_pixels_do_not_bleed_into_trusted_ones():
    camera = look_at_camera(0.05, 0.02)
    image, mask = torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE)
    image[..., 20:30, 20:30], mask[..., 20:30, 20:30] = 1, 0
    shape = wall(look_at_camera(0.0, 0.0))
    seen, trust = warped(image, mask, shape, wall(camera), config=WarpConfig(), orbit=FFHQ_ORBIT)
    assert trust.mean() > 0.5
    assert float((seen * (trust > 0)).max()) < 0.15


def test_depth_of_a_model_is_at_the_size_of_its_pictures():
    generator = tiny_generator()
    ws = generator.w_avg.expand(2, generator.num_ws, -1)
    model, camera = Model(generator, ws), look_at_camera(torch.tensor([0.0, 0.2]), 0.0)
    shape = model.shape(camera)
    assert shape.depth.shape == shape.solid.shape == (2, 1, 32, 32)
    assert set(shape.solid.unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(model.picture(camera), generator.synthesize(ws, camera).image)


@pytest.mark.parametrize("turns", [(0.5, 0.5), (0.6, 0.2), (0.1, math.nan)])
def test_turns_that_trust_nothing_are_refused(turns):
    with pytest.raises(InvalidArgumentError, match="last_turn_rad"):
        WarpConfig.parse({"full_turn_rad": turns[0], "last_turn_rad": turns[1]})
