"""Files of weights: small networks as safetensors, and compressed archives that open_clip reads."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from itportrait.errors import CheckpointError, MissingModelError


def save_network(module: nn.Module, config: dict[str, Any], path: str | Path) -> None:
    """Write a module's state in fp16 (counters excepted), with its configuration; atomic."""
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in module.state_dict().items()
    }
    temporary = Path(path).with_suffix(".tmp")
    save_file(state, str(temporary), metadata={"config": json.dumps(config)})
    temporary.replace(path)


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
            entry = zipfile.ZipInfo(name)  # of a fixed date
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, source.read(name))
    temporary.replace(path)


def read_network(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return (state in fp32, configuration) of a file that `save_network` wrote.

    Raises:
        MissingModelError: no such file.
        CheckpointError: the file is not whole, or has no configuration.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(
            f"{path} is missing; `make pretrain` remakes the embedded models, and a fresh checkout "
            "or `pip install --force-reinstall itportrait` brings them back"
        )
    try:
        with safe_open(str(path), framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            config = json.loads((file.metadata() or {})["config"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is not a whole network file: {error}") from error
    return {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }, config


def load_into(module: nn.Module, state: dict[str, torch.Tensor], path: str | Path) -> None:
    """Load a state into a module, evaluate only, no gradient to the weights.

    Raises:
        CheckpointError: tensors are missing, unexpected or misshapen.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: {error}") from error
    module.eval().requires_grad_(False)
