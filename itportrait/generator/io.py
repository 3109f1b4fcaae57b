"""Generators on disk: `generator.safetensors`, and their configuration in `model.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from itportrait.documents import parse_object
from itportrait.errors import CheckpointError, MissingModelError
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.io.names import resolve_local
from itportrait.weights.networks import Tensors, copy_weights, find_misfits, open_weights, shapes_of
from itportrait.weights.stored import StoredTensor, read_tensor

GENERATOR_FILE = "generator.safetensors"
MODEL_FILE = "model.json"
_FIXED = "resample_filter"
"""Buffers that the architecture defines: a checkpoint may lack them, but not differ in them."""


def load_state(model: TriPlaneGenerator, state: Tensors, *, source: str) -> None:
    """Copy a state with published names into a generator.

    Args:
        model: takes the values, in its own precision and on its own device.
        state: name to tensor; stored ones are read one at a time.
        source: what errors call the state.

    Raises:
        CheckpointError: tensors are missing, misshapen or not known; names them.
    """
    own = model.state_dict()
    _check_shapes(own, state, source)
    for name in own:
        if name.endswith(_FIXED) and name in state:
            value = read_tensor(state[name]).float().cpu()
            if not torch.allclose(value, own[name].float().cpu(), atol=1e-4):
                raise CheckpointError(
                    f"{source} does not fit the generator; not the filter [1, 3, 3, 1]: {name}"
                )
    copy_weights({name: own[name] for name in own if not name.endswith(_FIXED)}, state)


def _check_shapes(own: Mapping[str, Tensor], state: Tensors, source: str = "it") -> None:
    if misfits := find_misfits(own, state, optional=_FIXED):
        raise CheckpointError(f"{source} does not fit the generator; {misfits}")


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
    config = GeneratorConfig.from_json(part.get("config") or {})
    with open_weights(weights) as stored:
        model = build_generator(config, stored.tensors)
    return model.eval().requires_grad_(False)


def build_generator(
    config: GeneratorConfig, tensors: Mapping[str, StoredTensor]
) -> TriPlaneGenerator:
    """Make a generator and read its state, whose shapes are compared before memory is taken.

    Args:
        config: of the generator.
        tensors: of an open file, by published names.

    Raises:
        CheckpointError: tensors are missing, misshapen or not known; names them.
    """
    _check_shapes(shapes_of(lambda: TriPlaneGenerator(config)), tensors)
    model = TriPlaneGenerator(config)
    load_state(model, tensors, source="it")
    return model
