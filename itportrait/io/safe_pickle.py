"""Read pickles of networks without running any of their code.

A pickle is a program: it may call whatever it can name. The reader here answers to a short list of
exact names, and behind every one of them stands an inert record of ours, which keeps the arguments
and does nothing else. No class of torch or numpy takes part; records become tensors afterwards,
when the pickle is closed. Everything else that a pickle names is refused, by name.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

from itportrait.errors import CheckpointError, UnsafeCheckpointError


class Record:
    """Base of what stands for an object of a pickle: what it was, its arguments, its state."""

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...] = ()) -> None:
        self.name, self.args = name, args
        self.state: Any = None


class ModuleRecord(Record):
    """A module, persistent or by reference: `state` is its `__dict__`."""

    __slots__ = ()


class TensorRecord(Record):
    """A tensor: `args` are storage record, offset, size, stride."""

    __slots__ = ()


class StorageRecord(Record):
    """A storage: `args` are its bytes as `torch.save` writes them, or (type name, raw bytes)."""

    __slots__ = ()


class ArrayRecord(Record):
    """A numpy array, scalar or dtype; `state` is numpy's own."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Callable:
    """What a pickle gets for a name: callable, and nothing more; it cannot be altered either."""

    __slots__ = ("_make", "name")

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_make", make)

    def __call__(self, *args: Any) -> Any:
        return self._make(self.name, *args)

    def __setattr__(self, name: str, value: object) -> None:
        raise UnsafeCheckpointError(f"the pickle tries to alter {self.name}.{name}")


def _persistent(name: str, meta: Any) -> ModuleRecord:
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise CheckpointError("a persistent object of the pickle has no state")
    record = ModuleRecord(str(meta.get("class_name", name)))
    record.state = meta["state"]
    return record


def _tensor(name: str, *args: Any) -> TensorRecord:
    if len(args) < 4 or not isinstance(args[0], StorageRecord):
        raise CheckpointError("a tensor of the pickle has no storage")
    return TensorRecord(name, args[:4])


def _parameter(name: str, *args: Any) -> TensorRecord:
    if not args or not isinstance(args[0], TensorRecord):
        raise CheckpointError("a parameter of the pickle has no tensor")
    return args[0]


def _storage_bytes(name: str, *args: Any) -> StorageRecord:
    if len(args) != 1 or not isinstance(args[0], bytes):
        raise CheckpointError("a storage of the pickle has no bytes")
    return StorageRecord(name, args)


def _array(name: str, *args: Any) -> ArrayRecord:
    return ArrayRecord(name, args)


def _latin1(name: str, *args: Any) -> bytes:
    """How protocol 2 writes bytes."""
    if len(args) != 2 or args[1] != "latin1" or not isinstance(args[0], str):
        raise UnsafeCheckpointError(f"the pickle asks for {name} with an encoding that is not data")
    return args[0].encode("latin1")


def _set(name: str, *args: Any) -> set[Any]:
    return set(*args)


_CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _storage_bytes,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy.core.multiarray", "scalar"): _array,
    ("numpy._core.multiarray", "scalar"): _array,
    ("numpy", "ndarray"): _array,
    ("numpy", "dtype"): _array,
    ("builtins", "set"): _set,
    ("_codecs", "encode"): _latin1,
}

STORAGE_TYPES = (
    "DoubleStorage",
    "FloatStorage",
    "HalfStorage",
    "BFloat16Storage",
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
)
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool")

_MODULES = {
    ("training.triplane", "OSGDecoder"),
    ("training.volumetric_rendering.renderer", "ImportanceRenderer"),
    ("training.volumetric_rendering.ray_sampler", "RaySampler"),
    ("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"),
    ("torch.nn.modules.container", "Sequential"),
    ("torch.nn.modules.container", "ModuleList"),
    ("torch.nn.modules.activation", "Softplus"),
    ("torch.nn.modules.activation", "LeakyReLU"),
    ("torch.nn.modules.linear", "Identity"),
}
"""Classes that published generators refer to by name instead of carrying their source."""


class RestrictedUnpickler(pickle.Unpickler):
    """Unpickler in which every name is an inert record, or an error.

    Args:
        file: the pickle.
        load_storage: answers a persistent id (as in torch's zip files) with a storage record.
    """

    def __init__(
        self, file: BinaryIO, load_storage: Callable[[Any], StorageRecord] | None = None
    ) -> None:
        super().__init__(file)
        self._load_storage = load_storage

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name.

        Raises:
            UnsafeCheckpointError: the name is not on the list.
        """
        module = "builtins" if module == "__builtin__" else module  # as protocol 2 spells it
        full = f"{module}.{name}"
        if (module, name) in _CALLS:
            return _Callable(full, _CALLS[module, name])
        if (module, name) in _MODULES:
            return _module_class(full)
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("dnnlib.util", "EasyDict"):
            return _new_class(dict, {})
        if module == "torch" and name in STORAGE_TYPES + _DTYPES:
            return Record(name)
        raise UnsafeCheckpointError(
            f"the pickle asks for {full}, which is not needed for tensors; nothing was executed. "
            "Do not load this file with other tools unless you trust whoever made it"
        )

    def persistent_load(self, pid: Any) -> StorageRecord:
        """Answer a persistent id.

        Raises:
            UnsafeCheckpointError: this kind of file has none.
        """
        if self._load_storage is None:
            raise UnsafeCheckpointError(f"the pickle asks for the persistent id {str(pid)[:80]!r}")
        return self._load_storage(pid)


def _module_class(full: str) -> type[ModuleRecord]:
    def new(cls: type[ModuleRecord], *args: Any) -> ModuleRecord:
        record = object.__new__(cls)
        ModuleRecord.__init__(record, full, args)
        return record

    def set_state(self: ModuleRecord, state: Any) -> None:
        self.state = state

    return _new_class(
        ModuleRecord,
        {"__new__": new, "__init__": lambda self, *_: None, "__setstate__": set_state},
    )


def _new_class(base: type, body: dict[str, Any]) -> type:
    """Return a class of its own for each use: a pickle that alters it alters nothing of ours."""
    return type(base.__name__, (base,), {"__slots__": ()} | body)


def load(file: BinaryIO | bytes, load_storage: Callable[[Any], StorageRecord] | None = None) -> Any:
    """Read one pickle into plain containers and records.

    Args:
        file: the pickle; read up to its end mark.
        load_storage: see `RestrictedUnpickler`.

    Returns:
        Containers, numbers, strings and `Record`s.

    Raises:
        UnsafeCheckpointError: it names something outside the list; nothing was executed.
        CheckpointError: it is truncated or malformed.
    """
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        return RestrictedUnpickler(stream, load_storage).load()
    except CheckpointError:
        raise
    except EOFError as error:
        raise CheckpointError("the pickle is truncated") from error
    except Exception as error:  # a malformed pickle can fail in any way; none of it is code of ours
        raise CheckpointError(f"the pickle is truncated or malformed: {error}") from error
