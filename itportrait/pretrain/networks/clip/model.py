"""The untrained mini CLIP: its configuration in open_clip's format."""

import json
from pathlib import Path
from typing import Any

import open_clip
from torch import nn

from itportrait.perception.clip import MINI_NAME

MODEL_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 96,
        "layers": [1, 1, 2, 1],
        "width": 16,
        "head_width": 64,
    },
    "text_cfg": {
        "context_length": 40,
        "vocab_size": 49408,
        "width": 64,
        "heads": 2,
        "layers": 3,
    },
}
"""In open_clip's format. A convolutional tower: some thousand pictures teach it small things such
as glasses, which they do not teach a transformer."""


def write_config(folder: Path) -> Path:
    """Write the configuration to `folder/itportrait-mini.json`; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{MINI_NAME}.json"
    path.write_text(json.dumps(MODEL_CONFIG, indent=2) + "\n")
    return path


def build_model(folder: Path) -> nn.Module:
    """Write the configuration to a folder and build the untrained model."""
    open_clip.add_model_config(write_config(folder))
    return open_clip.create_model(MINI_NAME)
