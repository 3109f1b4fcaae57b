"""The bent front plane: what moves, what stays, how it is scaled, kept and read."""

from types import SimpleNamespace

import pytest
import torch

from itportrait.compared.avatargan3d.warp import (
    FrontWarp,
    asymmetry_penalty,
    pixel_places,
    size_penalty,
    spline_of,
    spline_values,
)
from itportrait.generator.deformation import deformed
from itportrait.geometry.camera import frontal_camera
from itportrait.styles import Codes, DeformedStyle, read_style
from tests.helpers.tiny_family import tiny_generator

LIMIT = 0.25


@pytest.fixture(scope="module")
def base():
    return tiny_generator()


@pytest.fixture
def warp(base):
    made = FrontWarp(3, base.w_dim, 8, 4, LIMIT)
    made.draw_weights(torch.Generator().manual_seed(0))
    with torch.no_grad():
        made.head.weight.mul_(100)  # as after training
    return made.requires_grad_(False)


@pytest.fixture
def ws(base):
    z = torch.randn(2, base.z_dim, generator=torch.Generator().manual_seed(1))
    return base.mapping(z, frontal_camera().expand(2, -1))


def test_a_spline_takes_its_values_at_the_control_points_and_keeps_flat_ones():
    axis = torch.linspace(-1, 1, 4)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 2)
    values = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    matrix = spline_of(grid)
    found = spline_values(grid, grid) @ (matrix @ values)
    torch.testing.assert_close(found, values, atol=1e-4, rtol=0)
    places = pixel_places(9, torch.device("cpu"))
    flat = 0.3 + 0.1 * grid[:, :1] - 0.2 * grid[:, 1:]
    wanted = 0.3 + 0.1 * places[:, :1] - 0.2 * places[:, 1:]
    found = spline_values(places, grid) @ (matrix @ flat)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_the_front_plane_moves_and_the_others_stay(base, warp, ws):
    planes = base.planes(ws)
    bent = warp.planes(planes, ws)
    assert torch.equal(bent[:, 1:], planes[:, 1:])
    assert not torch.allclose(bent[:, 0], planes[:, 0], atol=1e-3)
    assert not torch.allclose(*warp.shifts(ws), atol=1e-4)  # each portrait's own
    assert warp.shifts(ws).abs().max() <= LIMIT


def test_a_shift_to_the_right_shows_what_lies_to_the_right(base, warp, ws):
    moved = torch.zeros(2, 4, 4, 2)
    moved[..., 0] = 2 / 16  # one pixel of a plane of 16
    warp.shifts = lambda _: moved
    planes = base.planes(ws)
    bent = warp.planes(planes, ws)
    torch.testing.assert_close(bent[:, 0, ..., :-1], planes[:, 0, ..., 1:], atol=1e-3, rtol=0)


def test_strength_scales_and_zero_changes_nothing(base, warp, ws):
    planes = base.planes(ws)
    warp.strength = 0.0
    assert warp.planes(planes, ws) is planes
    changes = []
    for strength in (0.1, 1.0):
        warp.strength = strength
        changes.append(float((warp.planes(planes, ws) - planes).abs().mean()))
    assert 0 < changes[0] < changes[1]


def test_penalties_are_of_length_and_of_what_is_not_mirrored():
    shifts = torch.zeros(1, 4, 4, 2)
    assert size_penalty(shifts) == 0
    shifts[..., 1] = 0.5
    assert size_penalty(shifts) == 0.25
    assert asymmetry_penalty(shifts) == 0  # all down: the mirror image is the same
    outwards = torch.zeros(1, 4, 4, 2)
    outwards[:, :, :2, 0], outwards[:, :, 2:, 0] = -0.5, 0.5
    assert asymmetry_penalty(outwards) == 0
    assert asymmetry_penalty(outwards.abs()) == 1


def test_a_style_of_it_is_read_back_and_bends_pictures_density_and_depth(base, warp, ws):
    names = SimpleNamespace(domain="avatar", base_model_id="tiny-0")
    made = DeformedStyle.between(base, {}, warp, **vars(names))
    style = read_style(made.to_bytes())
    codes = Codes(ws, frontal_camera().expand(2, -1))
    bound = style.prepare(base).bind(codes)
    plain = style.prepare(base, 0.0).bind(codes)
    wanted = deformed(base, warp).synthesize(ws, codes.cameras).final_image
    torch.testing.assert_close(bound.render(codes.cameras).final_image, wanted)
    same = base.synthesize(ws, codes.cameras).final_image
    assert torch.equal(plain.render(codes.cameras).final_image, same)
    points = (torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(2)) - 0.5) * 0.3
    assert not torch.allclose(bound.density(points)[0], plain.density(points)[0])
