"""Generators on disk: `generator.safetensors`, and their configuration in `model.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from itportrait.config import Settings
from itportrait.documents import parse_object
from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError
from itportrait.generator.base import Generator
from itportrait.generator.families import DEFAULT_FAMILY, find_family
from itportrait.io.names import resolve_local
from itportrait.weights.networks import Tensors, copy_weights, find_misfits, open_weights, shapes_of
from itportrait.weights.stored import StoredTensor, read_tensor

GENERATOR_FILE = "generator.safetensors"
MODEL_FILE = "model.json"


def load_state(model: Generator, state: Tensors, *, source: str) -> None:
    """Copy a state into a generator; that of a tri-plane one has the published names.

    Buffers that the architecture defines (`Generator.optional_suffix`) may be absent from the
    state, but not differ in it.

    Args:
        model: takes the values, in its own precision and on its own device.
        state: name to tensor; stored ones are read one at a time.
        source: what errors call the state.

    Raises:
        CheckpointError: tensors are missing, misshapen or not known; names them.
    """
    own, fixed = model.state_dict(), _fixed_names(model)
    _check_shapes(own, state, model.optional_suffix, source)
    for name in fixed:
        if name in state:
            value = read_tensor(state[name]).float().cpu()
            if not torch.allclose(value, own[name].float().cpu(), atol=1e-4):
                raise CheckpointError(
                    f"{source} does not fit the generator; {name} is not what defines it"
                )
    copy_weights({name: own[name] for name in own if name not in fixed}, state)


def _fixed_names(model: Generator) -> set[str]:
    end = model.optional_suffix
    return {name for name in model.state_dict() if end and name.endswith(end)}


def _check_shapes(
    own: Mapping[str, Tensor], state: Tensors, optional: str, source: str = "it"
) -> None:
    if misfits := find_misfits(own, state, optional=optional):
        raise CheckpointError(f"{source} does not fit the generator; {misfits}")


def save_generator(
    model: Generator, directory: str | Path, *, half: bool = False
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
    fixed = _fixed_names(model)
    state = {
        name: (tensor.half() if half and tensor.ndim >= 2 else tensor).cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if name not in fixed
    }
    part = {"file": GENERATOR_FILE, "config": model.config.model_dump(mode="json")}
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


def load_generator(directory: str | Path) -> Generator:
    """Read a generator that `save_generator` wrote: in float32, for evaluation, without gradients.

    Its family is the one that the folder's `model.json` names, once it is a bundle.

    Raises:
        MissingModelError: the folder holds no generator.
        UnknownNameError: nobody has registered the family.
        InvalidArgumentError: `model.json` is damaged, or names a file outside of the folder.
        CheckpointError: the file is truncated, or does not fit its configuration.
    """
    directory = Path(directory)
    content = _read_model(directory)
    part = content.get("generator")
    part = cast(dict[str, Any], part) if isinstance(part, dict) else {}
    file = part.get("file")
    weights = None if file is None else resolve_local(directory, file, what="the generator's file")
    if weights is None or not weights.exists():
        raise MissingModelError(
            f"no generator in {directory}; write one with `itportrait import-eg3d FILE.pkl "
            f"--output {directory}`, or remake the embedded family with `make pretrain`"
        )
    data: Any = part.get("config", {})
    family = find_family(str(content.get("family", DEFAULT_FAMILY)), data)
    if not isinstance(data, dict):
        raise InvalidArgumentError(
            "generator", expected="a JSON object", actual=type(data).__name__
        )
    settings = cast(dict[str, Any], data)
    config = family.config_type.parse(settings, source="generator configuration")
    with open_weights(weights) as stored:
        model = build_generator(family, config, stored.tensors)
    return model.eval().requires_grad_(False)


AnyGenerator = TypeVar("AnyGenerator", bound=Generator)


def _complete(model: AnyGenerator) -> AnyGenerator:
    """Refuse a generator that lacks something that its users ask of every family.

    Raises:
        InvalidArgumentError: names the class and what it lacks.
    """
    missing = [name for name in Generator.__annotations__ if not hasattr(model, name)]
    if missing:
        raise InvalidArgumentError(
            f"generator family {type(model).__name__}",
            expected="all attributes that `itportrait.generator.Generator` declares",
            actual=f"none named {', '.join(missing)}",
            remedy="set them in the class or in its `__init__`",
        )
    return model


def build_generator(
    family: type[AnyGenerator], config: Settings, tensors: Mapping[str, StoredTensor]
) -> AnyGenerator:
    """Make a generator and read its state, whose shapes are compared before memory is taken.

    Args:
        family: class of the generator.
        config: of the family's own type.
        tensors: of an open file, by the names of its state.

    Raises:
        CheckpointError: tensors are missing, misshapen or not known; names them.
    """
    own = shapes_of(lambda: _complete(family(config)))
    _check_shapes(own, tensors, family.optional_suffix)
    model = family(config)
    load_state(model, tensors, source="it")
    return model
