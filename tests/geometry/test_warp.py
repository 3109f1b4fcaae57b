"""Warps against analytic scenes: a plane and a sphere whose every pixel is known."""

import math

import pytest
import torch
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import (
    frontal_camera,
    look_at_camera,
    make_intrinsics,
    pack_camera,
    unpack_camera,
)
from itportrait.geometry.rays import camera_rays
from itportrait.geometry.warp import (
    depth_to_z,
    foreshortening,
    lift,
    project,
    ray_cosines,
    turn_between,
    warp,
)

SIZE = 96
FRONT = look_at_camera(0.0, 0.0)
ASIDE = look_at_camera(0.2, 0.1)
NORMAL = F.normalize(torch.tensor([0.2, 0.1, 1.0]), dim=0)
CENTER, RADIUS = torch.tensor([0.0, 0.0, 0.2]), 0.25


def plane_depth(camera, size=SIZE):
    """Distance along rays to the plane through the origin with normal `NORMAL`."""
    origins, directions = camera_rays(camera, size)
    depth = -(origins @ NORMAL) / (directions @ NORMAL)
    return depth.view(-1, 1, size, size)


def sphere_depth(camera, size=SIZE):
    """Distance along rays to a sphere, and which rays meet it."""
    origins, directions = camera_rays(camera, size)
    offset = origins - CENTER
    middle = -(offset * directions).sum(2)
    gap = offset.square().sum(2) - middle.square()
    depth = middle - (RADIUS**2 - gap).clamp_min(0).sqrt()
    return depth.view(-1, 1, size, size), (gap < RADIUS**2).view(-1, 1, size, size)


def paint(points):
    """Smooth colors `[N, 3, R, R]` of the points of a scene."""
    side = math.isqrt(points.shape[1])
    colors = torch.sin(points * points.new_tensor([5.0, 7.0, 6.0]))
    return colors.transpose(1, 2).reshape(len(points), 3, side, side)


def test_cosine_of_an_ffhq_crop_falls_by_one_part_in_seventy_at_the_corner():
    cosines = ray_cosines(frontal_camera(), 512)[0, 0]
    assert float(1 / cosines[0, 0] - 1) == pytest.approx(0.0137, abs=2e-4)
    assert float(1 / cosines[128, 128] - 1) == pytest.approx(0.0034, abs=1e-4)
    assert cosines[255:257, 255:257].min() > 1 - 1e-5


def test_z_of_a_plane_before_the_camera_is_its_distance():
    """Rays to the corners of the plane z = 0.3 are longer; its z is 2.4 everywhere."""
    origins, directions = camera_rays(FRONT, SIZE)
    depth = ((0.3 - origins[..., 2]) / directions[..., 2]).view(1, 1, SIZE, SIZE)
    assert depth[0, 0, 0, 0] > 2.4 * 1.013
    torch.testing.assert_close(depth_to_z(depth, FRONT), torch.full_like(depth, 2.4))


@pytest.mark.parametrize("camera", [FRONT, ASIDE])
def test_lifted_points_lie_on_the_surface_and_project_to_their_pixels(camera):
    depth = plane_depth(camera)
    points = lift(depth, camera)
    assert (points @ NORMAL).abs().max() < 1e-5
    positions, z = project(points, camera)
    ticks = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    expected = torch.stack([x, y], 2).view(1, -1, 2)
    torch.testing.assert_close(positions, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(z.view_as(depth), depth_to_z(depth, camera))


def test_a_warped_plane_is_the_plane_up_to_its_corners():
    image = paint(lift(plane_depth(FRONT), FRONT))
    expected = paint(lift(plane_depth(ASIDE), ASIDE))
    shown, visible = warp(
        image,
        source_depth=plane_depth(FRONT),
        source_camera=FRONT,
        target_depth=plane_depth(ASIDE),
        target_camera=ASIDE,
        tolerance=1e-3,
    )
    assert visible.mean() > 0.8
    corners = visible[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.any()
    assert ((shown - expected).abs() * visible).max() < 2e-3


def test_depth_that_is_taken_for_z_shifts_the_corner():
    """What the conversion is for: the slip moves the plane's corner by pixels, not by parts."""
    depth = plane_depth(ASIDE)
    right, _ = project(lift(depth, ASIDE), FRONT)
    wrong, _ = project(lift(depth / ray_cosines(ASIDE, SIZE), ASIDE), FRONT)
    shift = (right - wrong).norm(dim=2).view(SIZE, SIZE) * 512
    assert shift[0, 0] > 4
    assert shift[SIZE // 2, SIZE // 2] < 0.1


def test_a_sphere_is_visible_where_it_faces_the_source():
    (source, hit), (target, met) = sphere_depth(FRONT), sphere_depth(look_at_camera(0.5, 0.0))
    camera = look_at_camera(0.5, 0.0)
    points = lift(target, camera)
    shown, visible = warp(
        paint(lift(source, FRONT)),
        source_depth=torch.where(hit, source, 3.3),
        source_camera=FRONT,
        target_depth=target,
        target_camera=camera,
        tolerance=0.02,
    )
    towards = F.normalize(unpack_camera(FRONT)[0][:, :3, 3] - points, dim=2)
    facing = (((points - CENTER) / RADIUS) * towards).sum(2).view_as(visible)
    inside = met & (facing.abs() > 0.25)
    assert bool((visible[inside] == (facing[inside] > 0)).all())
    error = (shown - paint(points)).abs().amax(1, keepdim=True)
    assert error[inside & (visible > 0)].max() < 0.02


def test_what_lies_behind_the_source_or_beyond_its_picture_is_not_visible():
    back = look_at_camera(math.pi, 0.0)
    _, visible = warp(
        torch.ones(1, 3, SIZE, SIZE),
        source_depth=torch.full((1, 1, SIZE, SIZE), 2.7),
        source_camera=FRONT,
        target_depth=torch.full((1, 1, SIZE, SIZE), 6.0),
        target_camera=back,
        tolerance=100,
    )
    assert visible.max() == 0
    wider = pack_camera(unpack_camera(FRONT)[0], make_intrinsics(FRONT[:, 16] / 2))
    _, visible = warp(
        torch.ones(1, 3, SIZE, SIZE),
        source_depth=torch.full((1, 1, SIZE, SIZE), 2.7),
        source_camera=FRONT,
        target_depth=torch.full((1, 1, SIZE, SIZE), 6.0),
        target_camera=wider,
        tolerance=100,
    )
    shown = torch.zeros_like(visible)  # the source's picture is the middle half of the wider one
    shown[..., SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4] = 1
    assert torch.equal(visible, shown)


@pytest.mark.parametrize("camera", [FRONT, ASIDE])
def test_foreshortening_of_a_plane_is_the_ratio_of_its_cosines(camera):
    depth, other = plane_depth(camera), look_at_camera(-0.4, 0.0)
    points = lift(depth, camera)
    cosines = [
        (F.normalize(unpack_camera(c)[0][:, None, :3, 3] - points, dim=2) @ NORMAL)
        for c in (camera, other)
    ]
    expected = (cosines[1] / cosines[0]).view_as(depth)
    torch.testing.assert_close(foreshortening(depth, camera, other), expected, atol=5e-3, rtol=0)
    assert foreshortening(depth, camera, look_at_camera(math.pi, 0.0)).max() < 0


def test_turn_between_cameras_is_their_yaw_seen_from_the_middle():
    middle = torch.zeros(1, 1, 3)
    turn = turn_between(middle, look_at_camera(0.2, 0.0), look_at_camera(-0.4, 0.0))
    assert float(turn) == pytest.approx(0.6, abs=1e-5)
    assert float(turn_between(middle, FRONT, FRONT)) == 0


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 2, 8, 8), (1, 1, 8, 4), (2, 1, 8, 8)])
def test_depth_of_another_shape_is_refused(shape):
    with pytest.raises(InvalidArgumentError, match="depth must"):
        lift(torch.ones(shape), FRONT)
