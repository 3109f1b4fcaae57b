"""Generators on disk: `generator.safetensors`, and their configuration in `model.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from itportrait.documents import parse_object
from itportrait.errors import CheckpointError, MissingModelError
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.io.names import resolve_local

GENERATOR_FILE = "generator.safetensors"
MODEL_FILE = "model.json"
_FIXED = "resample_filter"
"""Buffers that the architecture defines: a checkpoint may lack them, but not differ in them."""


def load_state(model: TriPlaneGenerator, state: Mapping[str, Tensor], *, source: str) -> None:
    """Copy a state with published names into a generator.

    Args:
        model: takes the values, in its own precision and on its own device.
        state: name to tensor.
        source: what errors call the state.

    Raises:
        CheckpointError: tensors are missing, misshapen or not known; names them.
    """
    own = model.state_dict()
    required = [name for name in own if not name.endswith(_FIXED)]
    problems = {
        "missing": [name for name in required if name not in state],
        "misshapen": [
            f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ],
        "unknown": [name for name in state if name not in own and not name.endswith(_FIXED)],
    }
    if not problems["misshapen"]:
        problems["not the filter [1, 3, 3, 1]"] = [
            name
            for name in own
            if name.endswith(_FIXED)
            and name in state
            and not torch.allclose(state[name].float().cpu(), own[name].cpu(), atol=1e-4)
        ]
    found = [f"{kind}: {_shorten(names)}" for kind, names in problems.items() if names]
    if found:
        raise CheckpointError(f"{source} does not fit the generator; {'; '.join(found)}")
    with torch.no_grad():
        for name in required:
            own[name].copy_(state[name])


def save_generator(
    model: TriPlaneGenerator, directory: str | Path, *, half: bool = False
) -> dict[str, Any]:
    """Write a generator's tensors, and its part of the folder's `model.json`.

    Args:
        model: any generator.
        directory: made if needed; another content of its `model.json` is kept.
        half: whether matrices and filters are stored in half precision.

    Returns:
        The `generator` part of `model.json`.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    state = {
        name: (tensor.half() if half and tensor.ndim >= 2 else tensor).cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith(_FIXED)
    }
    part = {"file": GENERATOR_FILE, "config": model.config.to_json()}
    temporary = directory / f"{GENERATOR_FILE}.tmp"
    save_file(state, temporary, metadata={"config": json.dumps(part["config"])})
    temporary.replace(directory / GENERATOR_FILE)
    model_json = _read_model(directory)
    (directory / MODEL_FILE).write_text(
        json.dumps(model_json | {"generator": part}, indent=2, sort_keys=True) + "\n"
    )
    return part


def _read_model(directory: Path) -> dict[str, Any]:
    """Return the content of a folder's `model.json`; empty if there is none."""
    path = directory / MODEL_FILE
    return parse_object(path.read_bytes(), str(path), finite=True) if path.exists() else {}


def load_generator(directory: str | Path) -> TriPlaneGenerator:
    """Read a generator that `save_generator` wrote: in float32, for evaluation, without gradients.

    Raises:
        MissingModelError: the folder holds no generator.
        InvalidArgumentError: `model.json` is damaged, or names a file outside of the folder.
        CheckpointError: the file is truncated, or does not fit its configuration.
    """
    directory = Path(directory)
    part = _read_model(directory).get("generator")
    file = part.get("file") if isinstance(part, dict) else None
    weights = None if file is None else resolve_local(directory, file, what="the generator's file")
    if not isinstance(part, dict) or weights is None or not weights.exists():
        raise MissingModelError(
            f"no generator in {directory}; write one with `itportrait import-eg3d FILE.pkl --out "
            f"{directory}`, or remake the embedded family with `make pretrain`"
        )
    try:
        state = load_file(weights)
    except SafetensorError as error:
        raise CheckpointError(f"{weights} is truncated or malformed: {error}") from error
    model = TriPlaneGenerator(GeneratorConfig.from_json(part.get("config") or {}))
    load_state(model, state, source=str(weights))
    return model.eval().requires_grad_(False)


def _shorten(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
