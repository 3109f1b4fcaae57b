"""Files of weights: small networks as safetensors, and compressed archives that open_clip reads."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from itportrait.cache import cache_folder
from itportrait.errors import CheckpointError, MissingModelError
from itportrait.weights.networks import Network, load_network, open_weights
from itportrait.weights.safetensors import parse_json

_LARGEST_SIZE = 1 << 14
_MOST_STAGES = 64


def save_network(module: nn.Module, config: dict[str, Any], path: str | Path) -> None:
    """Write a module's state in fp16 (counters excepted), with its configuration; atomic."""
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in module.state_dict().items()
    }
    temporary = Path(path).with_suffix(".tmp")
    save_file(state, str(temporary), metadata={"config": json.dumps(config)})
    temporary.replace(path)


def write_converted(
    state: Mapping[str, Tensor], config: dict[str, Any], kind: str, path: str | Path
) -> None:
    """Write a network of others, unrounded, with its configuration and what it says it is; atomic.

    Args:
        state: tensors of the network, by name.
        config: sizes that its constructor takes, which `read_network` hands to it.
        kind: what `kind_of` returns of the file.
        path: the file.
    """
    temporary = Path(path).with_suffix(".tmp")
    tensors = {name: value.contiguous() for name, value in state.items()}
    save_file(tensors, str(temporary), metadata={"config": json.dumps(config), "kind": kind})
    temporary.replace(path)


def kind_of(path: str | Path) -> str:
    """Return what a file of `write_converted` says it is; nothing of the files of `save_network`.

    Raises:
        MissingModelError, CheckpointError: no such file, or it is not whole.
    """
    with open_weights(path) as file:
        return file.metadata.get("kind", "")


def save_compressed(state: dict[str, torch.Tensor], path: str | Path) -> None:
    """Write tensors as `torch.save` does, deflated; atomic. The same tensors give the same bytes.

    `torch.load(path, weights_only=True)` reads it, and so `open_clip.create_model`. For tensors
    that are mostly zero: safetensors knows no compression.
    """
    plain, temporary = io.BytesIO(), Path(path).with_suffix(".tmp")
    torch.save(state, plain)
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
    ):
        for name in source.namelist():
            entry = zipfile.ZipInfo(name)  # with a fixed date: the same bytes every time
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, source.read(name))
    temporary.replace(path)


def read_network(path: str | Path, build: Callable[[dict[str, Any]], Network]) -> Network:
    """Return the network of a file that `save_network` wrote: fp32, evaluate only, no gradients.

    Args:
        path: the file.
        build: makes the network from its configuration, whose numbers are bounded here.

    Raises:
        MissingModelError: no such file.
        CheckpointError: the file is not whole, or holds another network.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(f"{path} is missing; {_remedy(path)}")
    with open_weights(path) as file:
        if "config" not in file.metadata:
            raise CheckpointError("is not a network file: it has no configuration")
        config = parse_json(file.metadata["config"], "its configuration")
        if problem := _find_problem(config):
            raise CheckpointError(f"is not a network file: {problem}")
        return load_network(lambda: build(config), file.tensors)


def _remedy(path: Path) -> str:
    """Return what brings a missing file back: published networks have their place in the cache."""
    if path.parent.parent == cache_folder() / "models":
        return f"get it with `itportrait models get {path.parent.name}`"
    return (
        "`make pretrain` remakes the embedded models, and a fresh checkout or "
        "`pip install --force-reinstall itportrait` brings them back"
    )


def _find_problem(config: dict[str, Any]) -> str:
    """Return what is no size in a configuration: a number of values, or a list of such numbers."""
    for key, value in config.items():
        items = value if type(value) is list else [value]
        if len(items) > _MOST_STAGES or not all(
            type(item) is int and 1 <= item <= _LARGEST_SIZE for item in items
        ):
            return f"{key} must be a size up to {_LARGEST_SIZE}, or {_MOST_STAGES} of them"
    return ""
