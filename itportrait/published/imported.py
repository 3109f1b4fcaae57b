"""Weights of image-text models that a user brings: checked, converted, and kept in the cache.

`about.json` beside such a file says which `architecture` it is for, the name and digest of the file
that it was made of (`from`), and a digest of its `values`, which a bundle names: the same weights
have the same, whether they came as fp16 or fp32, or in which kind of file.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError
from itportrait.perception.clip_files import named_plainly, read_state
from itportrait.perception.files import write_converted
from itportrait.published.registry import MODELS, OpenClipModel, find_model
from itportrait.published.store import (
    WEIGHTS,
    about_of,
    find_weights,
    place_of,
    put_in_place,
    state_of,
    working_on,
)
from itportrait.published.wheels import digest_of
from itportrait.weights.checkpoints import StoredCheckpoint, open_checkpoint

KIND = "open-clip"
"""What the converted file says of itself under `kind`."""
_PATCHES = "visual.conv1.weight"


@dataclass(frozen=True)
class Imported:
    """What `import_open_clip` did."""

    model: OpenClipModel
    """The network that the file is."""
    path: Path
    """Path of the converted file."""
    made: bool
    """Whether the file was made now; False where the same weights were there already."""
    replaced: bool
    """Whether other weights were there before."""


def import_open_clip(file: str | Path, name: str = "") -> Imported:
    """Make a file of the user's the image-text model of this machine, under its name here.

    Args:
        file: weights of open_clip (`.pt`, `.bin`, `.safetensors`), or an archive of OpenAI's, of
            which no code is run.
        name: of the network here (`open-clip-vit-b-32`) or of its architecture (`ViT-B-32`); by
            default as the file says, which archives of OpenAI alone do.

    Raises:
        UnknownNameError: there is no such network.
        InvalidArgumentError: the name is that of another kind of network, or is missing.
        MissingModelError: no such file.
        CheckpointError: the file is damaged, or holds another network; says which.
    """
    given = _named(name) if name else None
    with open_checkpoint(file) as stored:
        model = given or _recognize(stored, file)
        state = read_state(model.architecture, stored.tensors)
    values = digest_of_values(state)
    before = about_of(model)["values"] if state_of(model) == "present" else None
    if before == values:
        return Imported(model, place_of(model), made=False, replaced=False)
    about: dict[str, object] = {"architecture": model.architecture, "values": values}
    about["from"] = {"file": Path(file).name, "sha256": digest_of(Path(file))}
    with working_on(model) as work:
        converted = work / WEIGHTS
        write_converted(state, {}, KIND, converted)
        put_in_place(model, converted, about)
    return Imported(model, place_of(model), made=True, replaced=before is not None)


def values_of(model: OpenClipModel) -> str:
    """Return the digest of the weights that this machine has of a network.

    Raises:
        MissingModelError: it has none.
    """
    find_weights(model.name)
    return str(about_of(model)["values"])


def find_imported(name: str, values: str) -> Path:
    """Return the file of an image-text model of this machine, with the weights that are meant.

    Args:
        name: of the network.
        values: digest of its weights, as the bundle has it.

    Raises:
        UnknownNameError: there is no such network.
        MissingModelError: this machine has none, or other weights; names the remedy.
    """
    path = find_weights(name)
    if (about := about_of(find_model(name)))["values"] != values:
        raise MissingModelError(
            f"this machine has other weights of {name} than the bundle was made with: those of "
            f"{about['from']['file']}; import that bundle's file with `itportrait import-open-clip "
            f"FILE --model {name}`, or let the bundle use these with `itportrait models use {name} "
            "--bundle FOLDER`, which makes it another base model"
        )
    return path


def digest_of_values(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, shapes and values as fp32, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name}{list(value.shape)}".encode())
        digest.update(value.contiguous().to(torch.float32).numpy().tobytes())
    return digest.hexdigest()


def _named(name: str) -> OpenClipModel:
    known = [model for model in MODELS.values() if isinstance(model, OpenClipModel)]
    for model in known:
        if name == model.architecture:
            return model
    model = find_model(name)
    if not isinstance(model, OpenClipModel):
        raise InvalidArgumentError(
            "--model", expected=" or ".join(model.name for model in known), actual=repr(name)
        )
    return model


def _recognize(stored: StoredCheckpoint, file: str | Path) -> OpenClipModel:
    """Return the network that a file holds, by its patches and by what only OpenAI's have."""
    tensors: Mapping[str, Any] = named_plainly(stored.tensors)
    if _PATCHES not in tensors:
        raise CheckpointError(
            f"holds no image-text model of open_clip: it lacks {_PATCHES}, and has "
            f"{', '.join(list(tensors)[:3])}"
        )
    side = tensors[_PATCHES].shape[-1] if tensors[_PATCHES].shape else 0
    found = [
        model
        for model in MODELS.values()
        if isinstance(model, OpenClipModel) and model.tower.endswith(f"-{side}")
    ]
    if not found:
        raise CheckpointError(f"has patches of {side} pixels; known are ViT-B-32 and ViT-B-16")
    plain, quick = sorted(found, key=lambda model: model.name)
    if stored.is_script or "input_resolution" in stored.tensors:
        return quick
    raise InvalidArgumentError(
        "--model",
        expected=f"{plain.name} (weights by LAION-2B, DataComp) or {quick.name} (by OpenAI, "
        "MetaCLIP, DFN), since no tensor tells them apart",
        actual="nothing",
        remedy=f"say which: `itportrait import-open-clip {file} --model {plain.name}`",
    )
