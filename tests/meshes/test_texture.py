"""Textures of a ball whose front is drawn and whose back nobody sees."""

import json
import struct

import numpy as np
import pytest
import torch
import trimesh

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Rendering
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.geometry.orbit import FFHQ_ORBIT
from itportrait.geometry.rays import camera_rays
from itportrait.meshes import MeshOptions, TextureOptions, decode_mesh, encode_mesh, textured_mesh
from itportrait.meshes.atlas import unwrap
from itportrait.meshes.files import picture_of
from itportrait.meshes.raster import fragments_of, rasterize
from itportrait.meshes.surface import extract_mesh
from itportrait.styles import BoundStyle, Codes, Volume

RADIUS, SIDE = 0.3, 64
OPTIONS = MeshOptions(resolution=48, triangles=1500)


class Ball(BoundStyle):
    """A ball that renders show red on its right and blue on its left, before a green wall."""

    volume = Volume(side=1.0, gain=2.0)

    def __init__(self):
        self.codes = Codes(torch.zeros(1, 2, 4), frontal_camera())

    def render(self, cameras, *, super_resolve=True):
        pictures = []
        for camera in cameras:
            origin, direction = (part[0] for part in camera_rays(camera[None], SIDE))
            along = -(origin * direction).sum(-1)
            height = origin.square().sum(-1) - along.square()
            hit = height < RADIUS**2
            near = along - (RADIUS**2 - height).clamp_min(0).sqrt()
            x = (origin + near[:, None] * direction)[:, 0]
            color = torch.stack([(x > 0).float(), torch.zeros_like(x), (x <= 0).float()])
            wall = torch.tensor([0.0, 1.0, 0.0])[:, None]
            pictures.append(torch.where(hit, color, wall).view(3, SIDE, SIDE) * 2 - 1)
        image = torch.stack(pictures)
        return Rendering(image, image, image[:, :1], image[:, :1])

    def density(self, points):
        sigma = 1 + np.log(np.expm1(5.0)) + 80 * (RADIUS - points.norm(dim=-1, keepdim=True))
        return sigma, torch.full((*points.shape[:2], 3), 0.5)


@pytest.fixture(scope="module")
def mesh():
    return textured_mesh(Ball(), FFHQ_ORBIT, OPTIONS, TextureOptions(256))


def seen(mesh, camera, side=SIDE):
    """Return the colors of the mesh in a view, and where it is."""
    view = rasterize(np.asarray(mesh.vertices), np.asarray(mesh.faces), camera, side)
    corners = np.asarray(mesh.visual.uv)[np.asarray(mesh.faces)[view.faces]]
    uv = (corners * view.weights[..., None]).sum(2)
    texture = np.asarray(picture_of(mesh))
    places = np.clip((uv * (1, -1) + (0, 1)) * len(texture), 0, len(texture) - 1).astype(int)
    return texture[places[..., 1], places[..., 0]], view.faces >= 0


@pytest.mark.parametrize("yaw_deg", [0, 50, -80])
def test_every_view_shows_what_the_renders_show(mesh, yaw_deg):
    camera = look_at_camera(np.deg2rad(yaw_deg), 0.0)
    colors, hit = seen(mesh, camera)
    rendered = (Ball().render(camera).final_image[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert hit.mean() > 0.2
    assert (np.abs(colors - rendered)[hit].max(-1) < 60).mean() > 0.93
    assert colors[hit][:, 1].max() < 100  # nothing of the wall


def test_what_no_view_sees_is_continued_from_what_is_seen(mesh):
    colors, hit = seen(mesh, look_at_camera(np.pi, 0.0))
    columns = np.broadcast_to(np.arange(SIDE), hit.shape)
    left, right = colors[hit & (columns < 26)], colors[hit & (columns > 38)]
    assert left[:, 0].mean() > 170  # from behind, the red side is on the left
    assert right[:, 2].mean() > 170
    assert colors[hit][:, 1].max() < 100


def test_pixels_beside_charts_have_their_colors(mesh):
    texture = np.asarray(picture_of(mesh))
    assert texture[..., 1].max() < 100
    assert (texture.max(-1) > 100).all()  # no empty pixel


def test_no_two_triangles_of_an_atlas_share_a_pixel():
    knot = trimesh.creation.torus(0.3, 0.12, major_sections=48, minor_sections=24)
    atlas = unwrap(knot, 256)
    found = fragments_of(atlas.places[atlas.faces], 256, margin=1e-6)
    assert len(found.pixels) == len(np.unique(found.pixels))
    assert len(found.pixels) > 0.3 * 256**2
    assert (atlas.uv >= 0).all()
    assert (atlas.uv <= 1).all()
    assert (np.asarray(knot.faces) == atlas.vertices[atlas.faces]).all()
    assert len(np.unique(found.faces)) > 0.9 * len(knot.faces)


def test_charts_need_room():
    knot = trimesh.creation.torus(0.3, 0.12)
    with pytest.raises(InvalidArgumentError, match=r"room for the \d+ charts.*got 8 pixels"):
        unwrap(knot, 8)


def test_a_textured_file_is_read_back_and_has_no_lights(mesh):
    data = encode_mesh(mesh)
    again = decode_mesh(data, "glb")
    assert np.abs(again.vertices - mesh.vertices).max() < 1e-6
    assert (again.faces == mesh.faces).all()
    assert np.abs(again.visual.uv - mesh.visual.uv).max() < 1e-6
    picture = np.asarray(again.visual.material.baseColorTexture.convert("RGB")).astype(int)
    assert np.abs(picture - np.asarray(picture_of(mesh))).mean() < 3
    length = struct.unpack_from("<I", data, 12)[0]
    tree = json.loads(data[20 : 20 + length])
    assert tree["extensionsUsed"] == ["KHR_materials_unlit"]
    assert tree["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}
    assert len(data) == struct.unpack_from("<I", data, 8)[0]
    begin = 28 + length + tree["bufferViews"][1]["byteOffset"]
    normals = np.frombuffer(data, "<f4", mesh.vertices.size, begin).reshape(-1, 3)
    assert np.abs(normals - mesh.vertex_normals).max() < 1e-6
    assert encode_mesh(mesh) == data


def test_large_meshes_are_simplified():
    whole = extract_mesh(Ball(), MeshOptions(resolution=48))
    few = extract_mesh(Ball(), OPTIONS)
    assert len(whole.faces) > 5000
    assert 1000 < len(few.faces) <= 1500
    assert few.is_watertight
    assert np.abs(np.linalg.norm(few.vertices, axis=1) - RADIUS).max() < 0.01


def test_a_place_behind_another_is_not_seen():
    near, far = (np.array([[-1, -1, z], [1, -1, z], [0, 1, z]], float) * 0.2 for z in (1, -1))
    view = rasterize(
        np.concatenate([far, near]), np.array([[0, 1, 2], [3, 4, 5]]), frontal_camera(), 65
    )
    assert set(np.unique(view.faces[view.faces >= 0])) == {1}
    assert view.depth[32, 32] == pytest.approx(2.7 - 0.2)
    assert view.weights[view.faces >= 0].sum(-1) == pytest.approx(1)


def test_errors_say_what_to_do(mesh):
    with pytest.raises(InvalidArgumentError, match="the one file that holds a texture"):
        encode_mesh(mesh, "ply")
    with pytest.raises(InvalidArgumentError, match="64 to 8192 pixels, got 16"):
        TextureOptions(16)
