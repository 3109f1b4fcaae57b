"""Files of image-text models: a configuration within bounds, weights by our own reader."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from pydantic import Field
from torch import Tensor, nn

from itportrait.config import Settings
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.weights.checkpoints import open_checkpoint
from itportrait.weights.networks import find_misfits, shapes_of
from itportrait.weights.safetensors import parse_json
from itportrait.weights.stored import StoredTensor
from itportrait.weights.windows import fence

_LARGEST_TEXT = 1 << 22
_LONGEST_TEMPLATE = 200
_NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
"""Sizes that OpenAI's files keep among their tensors."""
_TOLERANCE = 1.1
"""Largest number of an architecture's values over those of its file: it may add masks and
scales."""


class VisionConfig(Settings):
    """The tower that looks at pictures."""

    image_size: int = Field(default=224, ge=16, le=1024)
    """Side of the pictures, in pixels."""
    layers: int | tuple[int, int, int, int] = 12
    """Number of layers of a transformer, or of each of the four stages of a convolutional tower."""
    width: int = Field(default=768, ge=1, le=8192)
    """Number of channels."""
    head_width: int = Field(default=64, ge=1, le=1024)
    """Number of channels of an attention head."""
    patch_size: int = Field(default=16, ge=1, le=256)
    """Side of a transformer's patches, in pixels."""


class TextConfig(Settings):
    """The tower that reads texts."""

    context_length: int = Field(default=77, ge=1, le=1024)
    """Largest number of tokens of a text."""
    vocab_size: int = Field(default=49408, ge=1, le=1 << 20)
    """Number of different tokens."""
    width: int = Field(default=512, ge=1, le=8192)
    """Number of channels."""
    heads: int = Field(default=8, ge=1, le=256)
    """Number of attention heads."""
    layers: int = Field(default=12, ge=1, le=64)
    """Number of layers."""


class ClipConfig(Settings):
    """Configuration of an embedded model, which holds sizes alone and names no file or network."""

    embed_dim: int = Field(ge=1, le=8192)
    """Length of the embedding vectors."""
    vision_cfg: VisionConfig
    """Sizes of the tower that encodes pictures."""
    text_cfg: TextConfig
    """Sizes of the tower that encodes texts."""


def check_config(path: Path) -> ClipConfig:
    """Return an open_clip configuration that asks for no more than the shape of two towers.

    Raises:
        CheckpointError: it is no JSON, or has other keys or larger numbers; names them.
    """
    with fence(path):
        data = _read_object(path)
        try:
            config = ClipConfig.parse(data, source="its configuration")
        except InvalidArgumentError as error:
            raise CheckpointError(str(error)) from error
        layers = config.vision_cfg.layers
        if not all(1 <= n <= 64 for n in (layers if isinstance(layers, tuple) else (layers,))):
            raise CheckpointError(f"vision_cfg.layers must be from 1 to 64, got {layers}")
        return config


def read_vocabulary(path: Path) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words that a model's captions were made of, and its templates for prompts.

    Raises:
        CheckpointError: the file is no such vocabulary.
    """
    with fence(path):
        data = _read_object(path)
        for key in ("words", "templates"):
            items = data.get(key)
            if type(items) is not list or not all(type(item) is str for item in items):
                raise CheckpointError(f"malformed: {key} must be a list of texts")
        for template in data["templates"]:
            plain = template.replace("{}", "", 1)
            if len(template) > _LONGEST_TEMPLATE or plain == template or set("{}") & set(plain):
                raise CheckpointError(f"malformed: template {template[:80]!r} must have one {{}}")
        return frozenset(data["words"]), tuple(data["templates"])


def _read_object(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST_TEXT:
        raise CheckpointError(f"malformed: it has more than {_LARGEST_TEXT >> 20} MB")
    return parse_json(path.read_bytes(), "it")


def download_open_clip(name: str, tag: str, folder: Path) -> Path:
    """Download weights by open_clip's own client, and return their file; for explicit calls alone.

    Raises whatever the parts of that client raise.
    """
    config = open_clip.get_pretrained_cfg(name, tag)
    return Path(open_clip.download_pretrained(config, cache_dir=str(folder)))


def create_model(name: str, weights: Path, *, foreign: bool) -> nn.Module:
    """Build an architecture of open_clip and load a local file of weights into it.

    Args:
        name: of the architecture.
        weights: safetensors, or a torch file of a state dict; also of whole training runs.
        foreign: whether the architecture comes with the weights (`check_config`), under whose
            names they are; the tensors of open_clip's own may have those of other programs.

    Raises:
        CheckpointError: the weights do not fit, or the file is not whole.
    """
    with open_checkpoint(weights) as stored:
        tensors = named_plainly(stored.tensors)
        own = shapes_of(lambda: _build(name, "meta"))
        if foreign and (misfits := find_misfits(own, tensors)):
            raise CheckpointError(f"does not fit {name}; {misfits}")
        _check_size(name, own, tensors)
        model = _build(name, "cpu")
        state = {name: tensor.read() for name, tensor in tensors.items()}
        try:
            model.load_state_dict(_as_open_clip(model, state))
        except (AttributeError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"does not fit {name}: {error}") from error
    return model.float()


def read_state(name: str, stored: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
    """Return the tensors of an open file as open_clip names those of an architecture.

    Args:
        name: of the architecture.
        stored: tensors of the file, of which none has been read.

    Raises:
        CheckpointError: one is missing, unknown or misshapen, is no floating-point number, or has
            values that are not finite; names it.
    """
    tensors = named_plainly(stored)
    with torch.device("meta"):
        model = _build(name, "meta")
    own = model.state_dict()
    _check_size(name, own, tensors)
    state = {key: tensor.read() for key, tensor in tensors.items()}
    state = _as_open_clip(model, state)
    if misfits := find_misfits(own, state):
        raise CheckpointError(f"does not fit {name}; {misfits}")
    for key, value in state.items():
        if not value.isfinite().all():
            raise CheckpointError(f"is damaged: {key} has values that are not finite")
    return state


def named_plainly(stored: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the weights of a file without the prefix of parallel training, and without what
    OpenAI's archives hold besides."""
    plain = {name.removeprefix("module."): tensor for name, tensor in stored.items()}
    return {
        name: tensor
        for name, tensor in plain.items()
        if name not in _NO_WEIGHTS and not name.endswith("attn_mask")
    }


def _check_size(name: str, own: dict[str, Tensor], tensors: dict[str, StoredTensor]) -> None:
    """Refuse an architecture that is larger than its file, whatever names its tensors have."""
    needed = sum(value.numel() for value in own.values())
    held = sum(math.prod(t.shape) for t in tensors.values() if t.dtype.is_floating_point)
    if needed > _TOLERANCE * held:
        raise CheckpointError(
            f"does not fit {name}, which has {needed:,} values, where the file has {held:,}"
        )


def _build(name: str, device: str) -> nn.Module:
    logger = logging.getLogger()
    logger.addFilter(_is_news)
    try:
        return open_clip.create_model(
            name, device=device, load_weights=False, pretrained_text=False
        )
    finally:
        logger.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Say no to a warning that weights are still to be loaded."""
    return not str(record.msg).startswith("No pretrained weights loaded")


def _as_open_clip(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state under the names and shapes of this version of open_clip."""
    state = convert_state_dict(model, state)  # type: ignore[arg-type]
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    own = model.state_dict()
    for name in ("logit_scale", "logit_bias"):  # vectors of one value in other programs
        if name in state and name in own and state[name].numel() == own[name].numel():
            state[name] = state[name].reshape(own[name].shape)
    state.pop("text.transformer.embeddings.position_ids", None)
    return state
