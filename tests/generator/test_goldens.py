"""The generator against numbers that the published program produced (tests/data/goldens)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from itportrait.generator import GeneratorConfig, TriPlaneGenerator
from tests.generator.golden_weights import fill

GOLDENS = Path(__file__).parents[1] / "data" / "goldens"
TOLERANCE = {"grad_ws": 1e-2}
DEFAULT_TOLERANCE = 1e-3
"""Largest error, relative to the array's standard deviation."""

CONFIGURATIONS = [
    "tiny128",
    pytest.param("ffhq512-128", marks=pytest.mark.slow),
]


class Golden:
    """One configuration: the numbers, the model, and its scene for the golden code."""

    def __init__(self, name):
        self.name = name
        description = json.loads((GOLDENS / f"eg3d_{name}.json").read_text())
        self.state = {key: tuple(shape) for key, shape in description["state"]}
        self.resolution = description["neural_rendering_resolution"]
        with np.load(GOLDENS / f"eg3d_{name}.npz") as arrays:
            self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays}
        config = GeneratorConfig.from_eg3d(
            description["config"], neural_rendering_resolution=self.resolution
        )
        self.model = fill(TriPlaneGenerator(config)).eval().requires_grad_(False)
        self.stride = config.image_resolution // 64
        self.ws = self.arrays["ws_psi07_cutoff6"][:1]
        with torch.no_grad():
            self.planes = self.model.planes(self.ws)

    def check(self, name, value):
        expected = self.arrays[name]
        assert value.shape == expected.shape
        scale = expected.std() if expected.numel() > 1 else expected.abs()
        error = float((value - expected).abs().max() / scale)
        print(f"{self.name} {name}: {error:.1e}")
        assert error < TOLERANCE.get(name, DEFAULT_TOLERANCE), name

    def camera(self, index):
        return self.arrays["cameras"][index : index + 1]


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def golden(request):
    return Golden(request.param)


def test_state_names_and_shapes_are_the_published_ones(golden):
    own = {name: tuple(value.shape) for name, value in golden.model.state_dict().items()}
    assert own == golden.state


def test_mapping_and_truncation(golden):
    z, camera = golden.arrays["z"], golden.camera(0)
    golden.check("ws_psi1", golden.model.mapping(z, camera))
    golden.check("ws_psi07_cutoff6", golden.model.mapping(z, camera, 0.7, 6))


def test_planes(golden):
    golden.check("planes_sub", golden.planes.flatten(1, 2)[:, :, ::16, ::16])


def test_densities_and_colors_at_points(golden):
    sigma, rgb = golden.model.sample(golden.arrays["points"], golden.planes)
    golden.check("sigma", sigma)
    golden.check("rgb", rgb)


@torch.no_grad()
def test_views(golden):
    views = [golden.model.render(golden.planes, golden.ws, golden.camera(i)) for i in range(3)]
    image = torch.cat([view.image for view in views])
    golden.check("image_raw", torch.cat([view.image_raw for view in views]))
    golden.check("image_depth", torch.cat([view.image_depth for view in views]))
    golden.check("image_sub", image[:, :, :: golden.stride, :: golden.stride])
    golden.check("image_mean", image.mean((2, 3)))
    golden.check("image_std", image.std((2, 3)))


@torch.no_grad()
def test_half_the_rendering_resolution(golden):
    view = golden.model.render(
        golden.planes,
        golden.ws,
        golden.camera(1),
        neural_rendering_resolution=golden.resolution // 2,
    )
    golden.check("image_raw_half", view.image_raw)
    golden.check("image_half_sub", view.image[:, :, :: golden.stride, :: golden.stride])


def test_loss_and_gradient(golden):
    ws = golden.ws.clone().requires_grad_()
    image = golden.model.synthesize(ws, golden.camera(1)).image
    target = np.random.RandomState(2).uniform(-1, 1, tuple(image.shape)).astype(np.float32)
    loss = (image - torch.from_numpy(target)).square().mean()
    golden.check("loss", loss.detach())
    (gradient,) = torch.autograd.grad(loss, ws)
    golden.check("grad_ws", gradient)
