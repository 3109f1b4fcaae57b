"""Checkpoints of foreign generators: published pickles, torch files, safetensors; no code runs."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from itportrait.errors import CheckpointError, MissingModelError, UnsafeCheckpointError
from itportrait.io import safe_pickle
from itportrait.io.safe_pickle import ModuleRecord, Record, StorageRecord, TensorRecord

_LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_ZIP_MAGIC = b"PK\x03\x04"
_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Checkpoint:
    """A generator's state, and what the file says about how it was built."""

    state: dict[str, Tensor]
    """By published names."""
    init_kwargs: dict[str, Any] | None = None
    """Arguments of the published constructor, where the file has them."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Plain attributes of the object, such as `neural_rendering_resolution`."""
    plane_axes: Tensor | None = None
    """`[3, 3, 3]` axes of the renderer's planes, where the file has them."""


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a generator's checkpoint.

    Args:
        path: a published `*.pkl`; a torch file or pickle of `{"G_ema": module or state dict}`, or
            of a plain state dict; or `*.safetensors`.

    Returns:
        State and constructor arguments; of `G_ema` where there is one.

    Raises:
        MissingModelError: no such file.
        UnsafeCheckpointError: the file would run code on loading; names what it asks for.
        CheckpointError: the file is truncated, malformed, or holds no generator.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(f"no checkpoint at {path}")
    try:
        return _find_generator(_read(path))
    except UnsafeCheckpointError as error:
        raise UnsafeCheckpointError(f"{path}: {error}") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except RecursionError as error:
        raise CheckpointError(f"{path}: modules contain each other") from error


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"truncated or malformed: {error}") from error
    with path.open("rb") as file:
        if file.read(4) == _ZIP_MAGIC:
            return _read_zip(path)
        file.seek(0)
        content = safe_pickle.load(file)
        if content != _LEGACY_TORCH_MAGIC or not isinstance(content, int):
            return content
        file.seek(0)
        return _torch_load(file)


def _torch_load(file: BinaryIO) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).rpartition("WeightsUnpickler error: ")[2].strip().split("\n")[0]
        if "Unsupported" not in reason:
            raise CheckpointError(f"truncated or malformed: {reason}") from error
        raise UnsafeCheckpointError(f"{reason} Nothing was executed") from None
    except Exception as error:  # torch raises RuntimeError, EOFError, ... for broken files
        raise CheckpointError(f"truncated or malformed: {error}") from error


def _read_zip(path: Path) -> Any:
    """Read torch's own format: a zip of one pickle and the raw bytes of every storage."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            root = next(
                (n.removesuffix("data.pkl") for n in names if n.endswith("/data.pkl")), None
            )
            if root is None:
                raise CheckpointError("no data.pkl inside: not a torch file")
            order = f"{root}byteorder"
            if order in names and archive.read(order) != b"little":
                raise CheckpointError("big-endian storages are not supported")

            def load_storage(pid: Any) -> StorageRecord:
                kind, key = _parse_storage_id(pid)
                return StorageRecord("zip", (kind, archive.read(f"{root}data/{key}")))

            return safe_pickle.load(archive.read(f"{root}data.pkl"), load_storage)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise CheckpointError(f"truncated or malformed zip: {error}") from error


def _parse_storage_id(pid: Any) -> tuple[str, str]:
    if (
        not isinstance(pid, tuple)
        or len(pid) != 5
        or pid[0] != "storage"
        or not isinstance(pid[1], Record)
        or pid[1].name not in _TYPES
    ):
        raise CheckpointError(f"storage {str(pid)[:80]} is of an unknown kind")
    return pid[1].name, str(pid[2])


def _find_generator(content: Any) -> Checkpoint:
    if isinstance(content, Mapping):
        for key in ("G_ema", "G", "state_dict"):
            if key in content:
                content = content[key]
                break
    if isinstance(content, ModuleRecord):
        return _checkpoint_of(content)
    if isinstance(content, Mapping):
        state = {
            str(name): _to_tensor(value, str(name))
            for name, value in content.items()
            if isinstance(value, TensorRecord | Tensor)
        }
        if state:
            return Checkpoint(state)
    raise CheckpointError(
        f"holds no generator: expected G_ema, or a state dict, got {_describe(content)}"
    )


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dict with {', '.join(map(str, list(content)[:8])) or 'nothing'}"
    return type(content).__name__


def _checkpoint_of(module: ModuleRecord) -> Checkpoint:
    state: dict[str, Tensor] = {}
    _walk(module, "", state)
    attributes = module.state if isinstance(module.state, dict) else {}
    kwargs = attributes.get("_init_kwargs")
    renderer = attributes.get("_modules", {}).get("renderer")
    axes = None
    if isinstance(renderer, ModuleRecord) and isinstance(renderer.state, dict):
        axes = renderer.state.get("plane_axes")
    return Checkpoint(
        state,
        init_kwargs=_plain(kwargs) if isinstance(kwargs, Mapping) else None,
        attributes={
            str(name): _plain(value)
            for name, value in attributes.items()
            if not str(name).startswith("_") and _is_plain(value)
        },
        plane_axes=_to_tensor(axes, "plane_axes") if isinstance(axes, TensorRecord) else None,
    )


def _walk(module: ModuleRecord, prefix: str, state: dict[str, Tensor]) -> None:
    """Collect parameters and persistent buffers under the names that `state_dict()` gives them."""
    if not isinstance(module.state, dict):
        raise CheckpointError(f"module {prefix or module.name} has no state")
    transient = module.state.get("_non_persistent_buffers_set") or ()
    for group in ("_parameters", "_buffers"):
        for name, value in module.state.get(group, {}).items():
            if value is not None and not (group == "_buffers" and name in transient):
                state[f"{prefix}{name}"] = _to_tensor(value, f"{prefix}{name}")
    for name, child in module.state.get("_modules", {}).items():
        if isinstance(child, ModuleRecord):
            _walk(child, f"{prefix}{name}.", state)


def _to_tensor(record: Any, name: str) -> Tensor:
    """Turn a record into a tensor of its own memory, after checking that its storage holds it."""
    if isinstance(record, Tensor):
        return record
    if not isinstance(record, TensorRecord):
        raise CheckpointError(f"{name} is not a tensor but {_describe(record)}")
    storage, offset, size, stride = record.args
    flat = _to_flat(storage, name)
    if not (_are_sizes((offset,)) and _are_sizes(size) and _are_sizes(stride)):
        raise CheckpointError(f"{name} has no valid shape")
    if len(size) != len(stride):
        raise CheckpointError(f"{name} has {len(size)} sizes and {len(stride)} strides")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 not in size and last >= flat.numel():
        raise CheckpointError(
            f"{name} of shape {list(size)} is truncated: its storage has {flat.numel()} values"
        )
    return flat.as_strided(tuple(size), tuple(stride), offset).clone()


def _are_sizes(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(v) is int and v >= 0 for v in values)


def _to_flat(storage: StorageRecord, name: str) -> Tensor:
    if len(storage.args) == 2:
        kind, data = storage.args
        if not data:
            return torch.empty(0, dtype=_TYPES[kind])
        try:
            return torch.frombuffer(bytearray(data), dtype=_TYPES[kind])
        except ValueError as error:
            raise CheckpointError(f"the storage of {name} is truncated: {error}") from error
    loaded = _torch_load(io.BytesIO(storage.args[0]))
    if not isinstance(loaded, torch.storage.TypedStorage | torch.UntypedStorage):
        raise CheckpointError(f"the storage of {name} is a {type(loaded).__name__}")
    if isinstance(loaded, torch.UntypedStorage):
        raise CheckpointError(f"the storage of {name} has no type")
    return torch.empty(0, dtype=loaded.dtype).set_(loaded)  # type: ignore[arg-type]


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float | bool)


def _plain(value: Any) -> Any:
    """Return containers of plain values as they are in JSON; records become their names."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.name if isinstance(value, Record) else value
