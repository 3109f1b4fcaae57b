"""Meshes of fields whose surface is known: a colored ball and a floater beside it."""

import numpy as np
import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import frontal_camera
from itportrait.meshes import EmptyMeshError, MeshOptions, decode_mesh, encode_mesh, extract_mesh
from itportrait.styles import BoundStyle, Codes, NoDensityError, Volume

RADIUS, CENTER = 0.3, torch.tensor([0.05, -0.04, 0.02])


class Balls(BoundStyle):
    """A portrait with an analytic density."""

    volume = Volume(side=1.0, gain=2.0)

    def __init__(self, floater=True, count=1):
        self.codes = Codes(torch.zeros(count, 2, 4), frontal_camera().expand(count, -1))
        self.floater = floater

    def render(self, cameras, *, super_resolve=True):
        raise NotImplementedError

    def density(self, points):
        distance = RADIUS - (points - CENTER).norm(dim=-1, keepdim=True)
        if self.floater:
            other = 0.05 - (points - torch.tensor([0.4, 0.4, 0.4])).norm(dim=-1, keepdim=True)
            distance = torch.maximum(distance, other)
        # The level 10 with gain 2 lies at softplus(sigma - 1) = 5: put it on the surface.
        sigma = 1 + np.log(np.expm1(5.0)) + 80 * distance
        rgb = torch.where(points[..., :1] > 0, torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1]))
        return sigma, torch.cat([rgb, torch.zeros_like(rgb)], -1)


OPTIONS = MeshOptions(resolution=64)


def test_surface_lies_where_the_density_says_in_world_units():
    mesh = extract_mesh(Balls(), OPTIONS)
    radii = np.linalg.norm(mesh.vertices - CENTER.numpy(), axis=1)
    assert np.abs(radii - RADIUS).max() < 0.003
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)  # outward faces


def test_floaters_are_dropped_unless_asked_for():
    assert extract_mesh(Balls(), OPTIONS).body_count == 1
    options = MeshOptions(resolution=64, largest_only=False)
    assert extract_mesh(Balls(), options).body_count == 2


def test_vertices_carry_the_color_of_their_place():
    mesh = extract_mesh(Balls(), OPTIONS)
    colors = np.asarray(mesh.visual.vertex_colors)
    right = mesh.vertices[:, 0] > 0.01
    left = mesh.vertices[:, 0] < -0.01
    assert (colors[right] == (255, 0, 0, 255)).all()
    assert (colors[left] == (0, 0, 255, 255)).all()


def test_a_surface_that_leaves_the_cube_is_closed():
    class Slab(Balls):
        def density(self, points):
            _, rgb = super().density(points)
            return 1 + 400 * (0.1 - points[..., 2:].abs()), rgb

    assert extract_mesh(Slab(), OPTIONS).is_watertight


@pytest.mark.parametrize("kind", ["glb", "ply", "obj"])
def test_files_read_back_with_their_colors(kind):
    mesh = extract_mesh(Balls(), MeshOptions(resolution=32))
    again = decode_mesh(encode_mesh(mesh, kind), kind)
    assert len(again.faces) == len(mesh.faces)
    assert np.abs(again.bounds - mesh.bounds).max() < 1e-4
    red = again.vertices[:, 0] > 0.02
    assert (np.asarray(again.visual.vertex_colors)[red][:, :3] == (255, 0, 0)).all()


def test_errors_say_what_to_do():
    with pytest.raises(EmptyMeshError, match="densities run from"):
        extract_mesh(Balls(), MeshOptions(resolution=16, density_level=1e6))
    with pytest.raises(InvalidArgumentError, match="portrait must be one portrait, got 2"):
        extract_mesh(Balls(count=2))
    flat = Balls()
    flat.volume = None
    with pytest.raises(NoDensityError, match=r"without a density.*choose another domain"):
        extract_mesh(flat)
    with pytest.raises(InvalidArgumentError, match="glb, ply, obj"):
        encode_mesh(extract_mesh(Balls(), MeshOptions(resolution=16)), "stl2")
