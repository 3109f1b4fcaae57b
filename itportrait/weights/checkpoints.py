"""Read checkpoints of foreign generators: published pickles, torch files, safetensors; no code
runs."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.weights import safe_pickle
from itportrait.weights.limits import Limits
from itportrait.weights.mistaken import refuse_mistaken
from itportrait.weights.pickle_machine import Record, describe
from itportrait.weights.safe_pickle import (
    ModuleRecord,
    NestedStorageRecord,
    ScriptRecord,
    TensorRecord,
)
from itportrait.weights.safetensors import open_safetensors
from itportrait.weights.stored import StoredTensor, cut_tensor
from itportrait.weights.torch_files import (
    LEGACY_MAGIC,
    ZIP_MAGIC,
    open_nested,
    read_legacy,
    read_zip,
)
from itportrait.weights.windows import Window, fence

_DEEPEST_MODULE = 64
_MOST_PARTS = 100_000
_DEEPEST_SETTING = 16
_MOST_SETTINGS = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """A generator's state, and what the file says about how it was built."""

    state: dict[str, Tensor]
    """Tensors by their published names."""
    init_kwargs: dict[str, Any] | None = None
    """Arguments of the published constructor, where the file has them."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Plain attributes of the object, such as `neural_rendering_resolution`."""
    plane_axes: Tensor | None = None
    """`[3, 3, 3]` axes of the renderer's planes, where the file has them."""


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint whose tensors still lie in the file, so that their shapes can be checked."""

    tensors: dict[str, StoredTensor]
    """Tensors by their published names, not read yet."""
    init_kwargs: dict[str, Any] | None = None
    """Arguments of the published constructor, where the file has them."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Plain attributes of the object, such as `neural_rendering_resolution`."""
    plane_axes: StoredTensor | None = None
    """`[3, 3, 3]` axes of the renderer's planes, where the file has them."""
    is_script: bool = False
    """Whether the file is an archive of TorchScript, whose code stays unread."""

    def read(self) -> Checkpoint:
        """Read the tensors; once, and within `open_checkpoint`.

        Raises:
            CheckpointError: the file has been altered, or its bytes are damaged.
        """
        return Checkpoint(
            {name: tensor.read() for name, tensor in self.tensors.items()},
            self.init_kwargs,
            self.attributes,
            None if self.plane_axes is None else self.plane_axes.read(),
        )


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
        CheckpointError: the file is truncated, malformed, or holds no generator. Nothing else is
            raised, whatever its bytes are, and its reader takes at most twice the file and 512 MB.
    """
    with open_checkpoint(path) as stored:
        return stored.read()


@contextmanager
def open_checkpoint(path: str | Path) -> Iterator[StoredCheckpoint]:
    """Open a generator's checkpoint without reading its tensors; see `read_checkpoint`.

    An error within the block is reported with the file's name as well.

    Raises:
        MissingModelError, UnsafeCheckpointError, CheckpointError: as `read_checkpoint`.
    """
    path = Path(path)
    if not os.path.isfile(path):  # also of names that no system can hold
        found = "it is a folder" if os.path.isdir(path) else "there is no such file"
        raise MissingModelError(
            f"no checkpoint at {path}: {found} (expected a .pkl, .pt or .safetensors)"
        )
    with fence(path), path.open("rb") as file:
        yield _find_generator(*_read(path, file))


def _read(path: Path, file: BinaryIO) -> tuple[Any, Limits]:
    limits = Limits(size := path.stat().st_size)
    refuse_mistaken(file)
    window = Window(file, 0, size)
    if path.suffix == ".safetensors":
        return open_safetensors(window, limits).tensors, limits
    if file.read(4) == ZIP_MAGIC:
        return read_zip(file, limits), limits
    content = safe_pickle.load(window, limits)
    if type(content) is int and content == LEGACY_MAGIC:
        content = read_legacy(window, limits)
    return content, limits


def _find_generator(content: Any, limits: Limits) -> StoredCheckpoint:
    if isinstance(content, Mapping):
        for key in ("G_ema", "G", "state_dict"):
            if key in content:
                content = content[key]
                break
    if isinstance(content, ModuleRecord):
        if (stored := _checkpoint_of(content, limits)).tensors:
            return stored
    elif isinstance(content, Mapping):
        tensors = {
            name: _to_stored(value, name, limits)
            for name, value in content.items()
            if isinstance(name, str) and isinstance(value, TensorRecord | StoredTensor)
        }
        if tensors:
            return StoredCheckpoint(tensors)
    raise CheckpointError(
        f"holds no generator: expected G_ema, or a state dict, got {_describe(content)}"
    )


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dict with {', '.join(map(describe, list(content)[:8])) or 'nothing'}"
    return describe(content)


def _checkpoint_of(module: ModuleRecord, limits: Limits) -> StoredCheckpoint:
    attributes = _mapping(module.state, "the generator's state")
    kwargs = attributes.get("_init_kwargs")
    renderer = _mapping(attributes.get("_modules") or {}, "_modules").get("renderer")
    axes = None
    if isinstance(renderer, ModuleRecord) and type(renderer.state) is dict:
        axes = renderer.state.get("plane_axes")
    budget = [_MOST_SETTINGS]
    if kwargs is not None and (type(kwargs) is not dict or not _is_plain(kwargs, budget, True)):
        raise CheckpointError("malformed: _init_kwargs are no settings")
    plain = {
        name: _plain(value)
        for name, value in attributes.items()
        if type(name) is str and not name.startswith("_") and _is_plain(value, budget)
    }
    return StoredCheckpoint(
        _Walk(limits).collect(module),
        init_kwargs=None if kwargs is None else _plain(kwargs),
        attributes=plain,
        plane_axes=_to_stored(axes, "plane_axes", limits)
        if isinstance(axes, TensorRecord)
        else None,
        is_script=isinstance(module, ScriptRecord),
    )


class _Walk:
    """Collects parameters and persistent buffers under the names that `state_dict()` gives them."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._left = limits, _MOST_PARTS
        self._tensors: dict[str, StoredTensor] = {}

    def collect(self, module: ModuleRecord) -> dict[str, StoredTensor]:
        """Return the tensors of a module and of all modules in it.

        Raises:
            CheckpointError: modules contain each other, or what they hold is none.
        """
        self._visit(module, "", 0)
        return self._tensors

    def _visit(self, module: ModuleRecord, prefix: str, depth: int) -> None:
        if depth > _DEEPEST_MODULE:
            raise CheckpointError("modules contain each other")
        label = prefix or module.name
        state = _mapping(module.state, f"the state of module {label}")
        if isinstance(module, ScriptRecord):
            state = _as_module(state)
        transient = state.get("_non_persistent_buffers_set")
        transient = transient if type(transient) in (set, frozenset) else ()
        for group in ("_parameters", "_buffers"):
            for name, value in self._parts(state, group, label):
                if value is not None and not (group == "_buffers" and name in transient):
                    full = f"{prefix}{describe(name) if type(name) is not str else name}"
                    self._tensors[full] = _to_stored(value, full, self._limits)
        for name, child in self._parts(state, "_modules", label):
            if isinstance(child, ModuleRecord):
                self._visit(child, f"{prefix}{name}.", depth + 1)

    def _parts(self, state: dict[Any, Any], group: str, label: str) -> Iterable[tuple[Any, Any]]:
        parts = _mapping(state.get(group, {}), f"{label} {group}")
        self._left -= len(parts) + 1
        if self._left < 0:
            raise CheckpointError(f"its modules have more than {_MOST_PARTS} parts")
        return parts.items()


def _as_module(state: dict[Any, Any]) -> dict[Any, Any]:
    """Sort what a module of TorchScript has into what an ordinary one keeps apart."""
    kinds = {"_buffers": TensorRecord, "_modules": ScriptRecord}
    return {
        group: {name: value for name, value in state.items() if isinstance(value, kind)}
        for group, kind in kinds.items()
    }


def _mapping(value: Any, what: str) -> dict[Any, Any]:
    if type(value) is not dict:
        raise CheckpointError(f"malformed: {what} is {describe(value)} instead of a dictionary")
    return value


def _to_stored(record: Any, name: str, limits: Limits) -> StoredTensor:
    if isinstance(record, StoredTensor):
        return record
    if not isinstance(record, TensorRecord):
        raise CheckpointError(f"{name} is not a tensor but {_describe(record)}")
    storage, offset, size, stride = record.args
    if isinstance(storage, NestedStorageRecord):
        storage = open_nested(storage, limits)
    return cut_tensor(storage, offset, size, stride, name, limits)


def _is_plain(value: Any, budget: list[int], records: bool = False) -> bool:
    """Say whether a value is a setting: texts and numbers, in containers of no great size.

    Args:
        value: anything that a pickle holds.
        budget: how many values may still be looked at; this takes out what it has seen.
        records: whether records count as plain; their names stand for them.
    """
    level = [value]
    for _ in range(_DEEPEST_SETTING):
        following: list[Any] = []
        for item in level:
            budget[0] -= 1
            if type(item) is dict:
                if not all(type(key) is str for key in item):
                    return False
                following += item.values()
            elif type(item) in (list, tuple):
                following += item
            elif type(item) not in (str, int, float, bool, type(None)) and not (
                records and isinstance(item, Record)
            ):
                return False
            if len(following) > budget[0]:
                budget[0] -= len(following)
                return False
        if not following:
            return True
        level = following
    return False


def _plain(value: Any) -> Any:
    """Return containers of plain values as they are in JSON; records become their names."""
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, Record) else value
