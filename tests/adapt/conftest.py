"""A family small enough for tests: random weights, fixed seeds, real modules."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from itportrait.adapt import AdaptConfig, DomainSpec, Reference
from itportrait.bundle import CameraPrior
from itportrait.generator import TriPlaneGenerator, mini_config
from itportrait.geometry.camera import frontal_camera
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.identity import MiniIdentityModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk

WIDTHS = ((8, 8, 16, 16), (1, 1, 1, 1))


COLORS = {"Photo": (0.0, 0.0, 0.0), "red": (1.0, -1.0, -1.0), "blue": (-1.0, -1.0, 1.0)}


class ColorWords(nn.Module):
    """An image-text model that sees colors of a 4 x 4 grid, and prompts that name a color."""

    name = "color words"

    def encode_image(self, image):
        grid = F.adaptive_avg_pool2d(image, 4).flatten(1)
        return F.normalize(torch.cat([grid, torch.ones(len(grid), 1)], 1), dim=1)

    def encode_prompt(self, text):
        color = torch.tensor(COLORS[text]).view(3, 1).expand(3, 16).flatten()
        return F.normalize(torch.cat([color, torch.ones(1)]), dim=0)


def tiny_config():
    """Return the mini family's configuration, shrunk: 32 x 32 pictures, 6 rows."""
    mini = mini_config()
    rendering = mini.rendering.model_copy(
        update={"depth_resolution": 4, "depth_resolution_importance": 4}
    )
    blocks = tuple(
        block.model_copy(update={"channels": 8}) for block in mini.superresolution_blocks
    )
    changes = {
        "z_dim": 8,
        "w_dim": 16,
        "image_resolution": 32,
        "neural_rendering_resolution": 8,
        "plane_resolution": 16,
        "plane_channels": 4,
        "backbone_channels": (16, 16, 8),
        "mapping_hidden": 16,
        "decoder_hidden": 8,
        "superresolution_blocks": blocks,
        "rendering": rendering,
    }
    return type(mini).parse({**mini.model_dump(), **changes})


@pytest.fixture(scope="session")
def bundle():
    """Return a bundle of random modules, with everything that the stage asks of one."""
    torch.manual_seed(11)
    generator = TriPlaneGenerator(tiny_config())
    parts = {
        "generator": generator,
        "perceptual": PerceptualModel(ConvTrunk(*WIDTHS)),
        "identity": MiniIdentityModel(ConvTrunk(*WIDTHS), size=8),
        "encoder": EncoderModel(ConvTrunk(*WIDTHS), generator.num_ws, generator.w_dim, hidden=16),
    }
    for module in parts.values():
        module.eval().requires_grad_(False)
    return SimpleNamespace(
        name="tiny",
        model_id="tiny-0",
        camera_prior=CameraPrior(),
        orbit=CameraPrior().orbit,
        clips=[ColorWords()],
        clip_weights=[1.0],
        **parts,
    )


@pytest.fixture(scope="session")
def reference():
    """Return a reddish style image at the frontal camera."""
    pixels = np.random.default_rng(3).integers(0, 80, (32, 32, 3)).astype(np.uint8)
    pixels[..., 0] += 150
    return Reference(pixels, frontal_camera()[0].numpy(), "red.png")


@pytest.fixture
def config():
    """Return a configuration of few steps."""
    return AdaptConfig.parse(
        {
            "pair": {"steps": 4},
            "probe": {"every": 4, "count": 3, "images": 2},
            "threshold": {"value": "auto", "auto_steps": 2},
        }
    )


@pytest.fixture
def make_spec():
    """Return a maker of domains."""

    def make(mode="text", **changes):
        data = {"name": "red", "mode": mode, "steps": 8, "seed": 5}
        if mode != "image":
            data["prompt"] = "red"
        if mode != "text":
            data["references"] = ["red.png"]
        return DomainSpec.parse({**data, **changes})

    return make
