"""A bundle of real modules with random weights, small enough to invert and stylize in a test."""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from itportrait.bundle import CameraPrior
from itportrait.generator import TriPlaneGenerator, mini_config
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.image import to_uint8
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.identity import MiniIdentityModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from itportrait.records import AlignedRecord
from itportrait.styles import WeightStyle

WIDTHS = ((8, 8, 16, 16), (1, 1, 1, 1))


class ColorWords(nn.Module):
    """An image-text model that sees mean colors, and prompts that name one."""

    name = "color words"
    words = ("red", "green", "blue")

    def encode_image(self, image):
        return F.normalize(image.mean((2, 3)) + 1.5, dim=1)

    def encode_prompt(self, text):
        return F.one_hot(torch.tensor(self.words.index(text)), 3).float()


def tiny_generator(seed=11, **settings):
    """Return the mini architecture, shrunk to 32 x 32 pictures, with changed settings."""
    mini = mini_config()
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
        "superresolution_blocks": [{"channels": 8}, {"channels": 8}],
        "rendering": {
            **mini.rendering.model_dump(),
            "depth_resolution": 4,
            "depth_resolution_importance": 4,
        },
    }
    torch.manual_seed(seed)
    config = type(mini).parse({**mini.model_dump(), **changes, **settings})
    return TriPlaneGenerator(config).eval().requires_grad_(False)


def tiny_bundle(*, encoder=False):
    """Return a bundle; its encoder knows nothing, but is of the right shape."""
    generator = tiny_generator()
    parts = {
        "generator": generator,
        "perceptual": PerceptualModel(ConvTrunk(*WIDTHS)),
        "identity": MiniIdentityModel(ConvTrunk(*WIDTHS), size=8),
    }
    if encoder:
        trunk = ConvTrunk(*WIDTHS)
        parts["encoder"] = EncoderModel(trunk, generator.num_ws, generator.w_dim, hidden=16)
    for module in parts.values():
        module.eval().requires_grad_(False)
    parts.setdefault("encoder", None)
    return SimpleNamespace(
        name="tiny",
        family="mini",
        model_id="tiny-0",
        camera_prior=CameraPrior(),
        orbit=CameraPrior().orbit,
        clips=[ColorWords()],
        clip_weights=[1.0],
        **parts,
    )


def tint(bundle, channel, amount=0.6):
    """Return an adapter that adds to one color channel of the output."""
    names = [name for name, _ in bundle.generator.named_parameters()]
    last = [n for n in names if n.startswith("superresolution") and n.endswith("torgb.bias")][-1]
    delta = torch.zeros_like(bundle.generator.get_parameter(last))
    delta[channel] = amount
    return WeightStyle(f"tint{channel}", bundle.model_id, {last: delta})


def own_samples(bundle, count, seed=1):
    """Return `(records, codes [N, num_ws, w_dim])`: the generator's own pictures as portraits."""
    rng = torch.Generator().manual_seed(seed)
    generator = bundle.generator
    z = torch.randn(count, generator.z_dim, generator=rng)
    yaw = torch.rand(count, generator=rng) - 0.5
    cameras = look_at_camera(yaw, torch.zeros(count))
    ws = generator.mapping(z, frontal_camera())
    pixels = to_uint8(generator.synthesize(ws, cameras).image)
    records = [
        AlignedRecord(
            record_id=f"{seed}-{row}",
            uri=f"memory://{row}",
            pixels=pixels[row],
            camera=cameras[row].numpy(),
            yaw_rad=float(yaw[row]),
        )
        for row in range(count)
    ]
    return records, ws
