"""Generators of other families: one from outside of the package, and names that nobody has."""

import json

import pytest
import torch
from torch import nn

from itportrait.bundle import BundleSpec, PerceptionSpec, load_bundle, write_bundle
from itportrait.config import Settings
from itportrait.errors import CheckpointError, InvalidArgumentError, UnknownNameError
from itportrait.generator import FAMILIES, Generator, Rendering, load_generator, save_generator
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.geometry.rays import camera_rays
from itportrait.meshes import MeshOptions, extract_mesh
from itportrait.styles import Codes, PreparedGenerator
from tests.helpers.tiny_family import tiny_generator


class BallConfig(Settings):
    radius: float = 0.3
    image_resolution: int = 16


@FAMILIES.register("ball")
class Ball(Generator):
    """A ball whose color is the mean of its code: a family in under 40 lines."""

    config_type = BallConfig
    parts = {"synthesis": ("color.",)}  # noqa: RUF012
    z_dim = w_dim = 3
    num_ws = 2
    box_warp, density_gain = 1.0, 1.0
    row_sets = {"shape": (0,), "style_rows": (1,), "preserve_color": (1,)}  # noqa: RUF012

    def __init__(self, config):
        super().__init__(config)
        self.image_resolution = self.neural_rendering_resolution = config.image_resolution
        self.color = nn.Linear(3, 3)
        self.register_buffer("mean", torch.zeros(3))

    @property
    def w_avg(self):
        return self.mean

    def mapping(self, z, camera, truncation_psi=1.0, truncation_cutoff=None):
        return (z * truncation_psi)[:, None].repeat(1, self.num_ws, 1)

    def planes(self, ws, noise_mode="const", rng=None):
        return self.color(ws.mean(1))

    def sample(self, points, planes):
        inside = self.config.radius - points.norm(dim=2, keepdim=True)
        return 100 * inside, planes[:, None].sigmoid().expand_as(points)

    def render(self, planes, ws, camera, *, super_resolve=True, **options):
        side = self.image_resolution
        origins, directions = camera_rays(camera, side)
        along = -(origins * directions).sum(2)
        beside = (origins + along[..., None] * directions).norm(dim=2)
        alpha = (beside < self.config.radius).float().view(-1, 1, side, side)
        image = alpha * planes.tanh()[:, :, None, None]
        return Rendering(image, image, along.view_as(alpha), alpha)


@pytest.fixture
def ball(tmp_path):
    torch.manual_seed(0)
    save_generator(Ball(BallConfig(radius=0.2)), tmp_path)
    write_bundle(tmp_path, name="ball", family="ball", license="none", perception=PerceptionSpec())
    return tmp_path


def test_a_family_from_outside_is_saved_opened_rendered_and_meshed(ball):
    bundle = load_bundle(ball)
    generator = bundle.generator
    assert isinstance(generator, Ball)
    assert generator.config == bundle.spec.generator.config == BallConfig(radius=0.2)
    assert not any(value.requires_grad for value in generator.parameters())
    ws = generator.mapping(torch.randn(2, 3), frontal_camera())
    view = generator.synthesize(ws, look_at_camera(torch.tensor([0.0, 0.4]), 0.0))
    assert view.final_image.shape == (2, 3, 16, 16)
    assert 0 < float(view.image_alpha.mean()) < 0.5
    portrait = PreparedGenerator(generator).bind(Codes(ws[:1], frontal_camera()))
    mesh = extract_mesh(portrait, MeshOptions(resolution=32))
    assert mesh.bounds == pytest.approx(torch.tensor([[-0.2] * 3, [0.2] * 3]).numpy(), abs=0.15)


def test_its_configuration_is_checked_by_its_own_type(ball):
    content = json.loads((ball / "model.json").read_text())
    content["generator"]["config"]["size"] = 1
    (ball / "model.json").write_text(json.dumps(content))
    with pytest.raises(InvalidArgumentError, match=r"generator\.config.*'size'.*known: .*radius"):
        load_bundle(ball)


def test_its_weights_are_checked_before_they_are_read(ball):
    save_generator(tiny_generator(), ball / "other")
    (ball / "other" / "generator.safetensors").replace(ball / "generator.safetensors")
    with pytest.raises(
        CheckpointError, match=r"does not fit the generator; missing: mean, color\.weight"
    ):
        load_generator(ball)


def test_a_family_that_nobody_registered_is_refused_with_the_known_ones(ball):
    content = json.loads((ball / "model.json").read_text()) | {"family": "cube"}
    (ball / "model.json").write_text(json.dumps(content))
    with pytest.raises(InvalidArgumentError, match=r"unknown generator family 'cube'.*ball, eg3d"):
        load_bundle(ball)
    with pytest.raises(UnknownNameError, match="cube"):
        load_generator(ball)


def test_a_free_name_of_release_0_1_stands_for_the_tri_plane_generator(tmp_path, caplog):
    save_generator(tiny_generator(), tmp_path)
    write_bundle(tmp_path, name="own", family="mini", license="none", perception=PerceptionSpec())
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"family": "our studio"}))
    bundle = load_bundle(tmp_path)
    assert type(bundle.generator) is TriPlaneGenerator
    assert bundle.family == "our studio"
    assert "'our studio' is not registered" in caplog.text


def test_a_free_name_without_settings_of_its_own_is_read_too(tmp_path):
    """Release 0.1 took an empty configuration for the defaults of its one architecture."""
    path = tmp_path / "model.json"
    save_generator(tiny_generator(), tmp_path)
    write_bundle(tmp_path, name="own", family="mini", license="none", perception=PerceptionSpec())
    content = json.loads(path.read_text()) | {"family": "our studio"}
    content["generator"]["config"] = {}
    path.write_text(json.dumps(content))
    spec = BundleSpec.parse(content)
    assert spec.family == "our studio"
    assert spec.generator.config == GeneratorConfig()


def test_names_of_the_package_s_own_bundles_are_known():
    assert {"mini", "eg3d", "ffhq512"} <= set(FAMILIES.names())
    assert FAMILIES.get("mini") is TriPlaneGenerator
    assert FAMILIES.group == "itportrait.generator_families"


def test_a_family_that_lacks_what_all_have_is_refused_by_name(ball, monkeypatch):
    monkeypatch.delattr(Ball, "parts")
    with pytest.raises(CheckpointError, match=r"family Ball.*none named parts"):
        load_bundle(ball).generator.eval()
