"""A model bundle in a folder: real modules with random weights, shrunk, loadable in any process."""

import json
from pathlib import Path

import open_clip
import torch

from itportrait.bundle import BundleSpec, PerceptionSpec, write_bundle
from itportrait.generator import save_generator
from itportrait.perception.clip import MINI_NAME, WEIGHTS_FILE
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.files import save_compressed
from itportrait.perception.identity import MiniIdentityModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from tests.helpers.tiny_family import WIDTHS, tiny_generator

CLIP_CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32,
        "patch_size": 16,
        "width": 32,
        "head_width": 16,
        "layers": 1,
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 16,
        "heads": 1,
        "layers": 1,
    },
}
WORDS = ["a", "of", "photo", "person", "zombie", "bronze", "statue", "alien", "red", "blue"]


def write_tiny_bundle(folder: str | Path, *, name: str = "tiny", seed: int = 11) -> BundleSpec:
    """Write a whole bundle; the same seed gives the same model id."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = tiny_generator(seed)
    save_generator(generator, folder)
    torch.manual_seed(seed)
    PerceptualModel(ConvTrunk(*WIDTHS)).save(folder / "perceptual.safetensors")
    MiniIdentityModel(ConvTrunk(*WIDTHS), size=8).save(folder / "identity.safetensors")
    encoder = EncoderModel(ConvTrunk(*WIDTHS), generator.num_ws, generator.w_dim, hidden=16)
    encoder.save(folder / "encoder.safetensors")
    _write_clip(folder / "clip")
    return write_bundle(
        folder,
        name=name,
        family="mini",
        license="Apache-2.0",
        perception=PerceptionSpec.parse(
            {
                "clips": [{"kind": "mini", "path": "clip"}],
                "perceptual_path": "perceptual.safetensors",
                "identity_path": "identity.safetensors",
                "encoder_path": "encoder.safetensors",
            }
        ),
    )


def _write_clip(folder: Path) -> None:
    folder.mkdir()
    config = folder / f"{MINI_NAME}.json"
    config.write_text(json.dumps(CLIP_CONFIG))
    open_clip.add_model_config(config)
    model = open_clip.create_model(MINI_NAME)
    save_compressed(dict(model.state_dict()), folder / WEIGHTS_FILE)
    words = {"words": WORDS, "templates": ["{}"]}
    (folder / "vocabulary.json").write_text(json.dumps(words))
