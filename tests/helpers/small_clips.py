"""Known image-text models in small sizes, under their names."""

import json
from pathlib import Path

import open_clip
import pytest
import torch

from itportrait.published.registry import MODELS, OpenClipModel

SIZES = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
NAME, QUICK = "open-clip-vit-b-32", "open-clip-vit-b-32-quickgelu"


def know_small_clips(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the names mean small architectures, whose configurations go to a folder."""
    for name in (NAME, QUICK):
        architecture = f"small-{MODELS[name].architecture}"
        config = folder / f"{architecture}.json"
        config.write_text(json.dumps(SIZES | {"quick_gelu": name == QUICK}))
        open_clip.add_model_config(config)
        values = {**vars(MODELS[name]), "architecture": architecture}
        monkeypatch.setitem(MODELS, name, OpenClipModel(**values))


def small_clip(seed: int = 0, name: str = NAME) -> torch.nn.Module:
    """Return a model of such an architecture with random weights."""
    torch.manual_seed(seed)
    return open_clip.create_model(MODELS[name].architecture, load_weights=False).eval()
