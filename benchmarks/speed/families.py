"""The generators that are measured: the published one and the embedded one, with random weights."""

from itportrait.generator import GeneratorConfig, ffhq512_config, mini_config
from itportrait.generator.config import SuperResolutionBlock

FAMILIES = {"published": ffhq512_config, "mini": mini_config}


def quick_config(family: str) -> GeneratorConfig:
    """Return a family's generator shrunk to a fraction of a second."""
    full = FAMILIES[family]()
    rays = full.to_json()["rendering"]
    changes = {
        "z_dim": 16,
        "w_dim": 32,
        "plane_resolution": 32,
        "backbone_channels": (32, 32, 16, 16),
        "neural_rendering_resolution": 16,
        "image_resolution": 64,
        "superresolution": "custom",
        "superresolution_blocks": [
            SuperResolutionBlock(channels=32).model_dump(),
            SuperResolutionBlock(channels=16).model_dump(),
        ],
        "rendering": rays | {"depth_resolution": 6, "depth_resolution_importance": 6},
    }
    return GeneratorConfig.from_json(full.to_json() | changes)
