"""Read pickles of networks without running any of their code.

A pickle is a program: it may call whatever it can name. The reader here answers to a short list of
exact names, and behind every one of them stands an inert record of ours, which keeps the arguments
and does nothing else. No class of torch or numpy takes part; records become tensors afterwards,
when the pickle is closed. Everything else that a pickle names is refused, by name.
"""

from collections.abc import Callable
from typing import Any

from itportrait.errors import CheckpointError, UnsafeCheckpointError
from itportrait.weights.limits import Limits
from itportrait.weights.pickle_machine import PickleMachine, Record, Text
from itportrait.weights.stored import DTYPES, StorageRecord
from itportrait.weights.windows import Span, Window


class ModuleRecord(Record):
    """A module, persistent or by reference: `state` is its `__dict__`."""

    __slots__ = ()

    def build(self, state: Any) -> None:
        """Take the module's `__dict__`.

        Raises:
            CheckpointError: it has one already, or this is none.
        """
        if self.state is not None or type(state) is not dict:
            raise CheckpointError(f"module {self.name} of the pickle has no state of its own")
        self.state = state


class ScriptRecord(ModuleRecord):
    """A module of TorchScript: `state` has its parameters, buffers and modules side by side."""

    __slots__ = ()


class TensorRecord(Record):
    """A tensor: `args` are storage record, offset, size, stride."""

    __slots__ = ()


class NestedStorageRecord(Record):
    """A storage whose `args` are the bytes of a whole file of `torch.save`: a span, or a text."""

    __slots__ = ("storage",)

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        super().__init__(name, args)
        self.storage: StorageRecord | None = None


class ArrayRecord(Record):
    """A numpy array, scalar or dtype; `state` is numpy's own."""

    __slots__ = ()

    def build(self, state: Any) -> None:
        """Take numpy's state."""
        self.state = state


class _Name(Record):
    """Stands for a name in a pickle: something to call, or only to be."""

    __slots__ = ("_answer",)

    def __init__(self, name: str, answer: Callable[[str, tuple[Any, ...]], Any]) -> None:
        super().__init__(name)
        self._answer = answer

    def call(self, args: tuple[Any, ...]) -> Any:
        """Return the record that stands for the result."""
        return self._answer(self.name, args)


def _persistent(name: str, args: tuple[Any, ...]) -> ModuleRecord:
    meta = args[0] if len(args) == 1 else None
    if type(meta) is not dict or type(meta.get("state")) is not dict:
        raise CheckpointError("a persistent object of the pickle has no state")
    class_name = meta.get("class_name")
    record = ModuleRecord(class_name if type(class_name) is str else name)
    record.state = meta["state"]
    return record


def _module(name: str, args: tuple[Any, ...]) -> ModuleRecord:
    return ModuleRecord(name, args)


def _script(name: str, args: tuple[Any, ...]) -> ScriptRecord:
    return ScriptRecord(name, args)


def _tensor(name: str, args: tuple[Any, ...]) -> TensorRecord:
    if len(args) < 4 or not isinstance(args[0], StorageRecord | NestedStorageRecord):
        raise CheckpointError("a tensor of the pickle has no storage")
    return TensorRecord(name, args[:4])


def _parameter(name: str, args: tuple[Any, ...]) -> TensorRecord:
    if not args or not isinstance(args[0], TensorRecord):
        raise CheckpointError("a parameter of the pickle has no tensor")
    return args[0]


def _nested_storage(name: str, args: tuple[Any, ...]) -> NestedStorageRecord:
    if len(args) != 1 or not isinstance(args[0], Span | Text):
        raise CheckpointError("a storage of the pickle has no bytes")
    return NestedStorageRecord(name, args)


def _array(name: str, args: tuple[Any, ...]) -> ArrayRecord:
    return ArrayRecord(name, args)


def _latin1(name: str, args: tuple[Any, ...]) -> Span | Text:
    """How protocol 2 writes bytes. Long ones are decoded when a tensor of theirs is read."""
    if len(args) != 2 or type(args[1]) is not str or args[1] != "latin1":
        raise UnsafeCheckpointError(f"the pickle asks for {name} with an encoding that is not data")
    if type(args[0]) is str:
        try:
            return Span.of(args[0].encode("latin1"))
        except UnicodeEncodeError as error:
            raise CheckpointError(f"the pickle is malformed: {error}") from error
    if not isinstance(args[0], Text):
        raise CheckpointError("the pickle is malformed: bytes that are no text")
    return args[0]


def _set(name: str, args: tuple[Any, ...]) -> set[str]:
    items = args[0] if len(args) == 1 else []
    if type(items) is not list or not all(type(item) is str for item in items):
        raise CheckpointError("the pickle is malformed: a set of what is no text")
    return set(items)


def _dict(name: str, args: tuple[Any, ...]) -> dict[str, Any]:
    pairs = args[0] if len(args) == 1 else []
    if type(pairs) is not list or not all(
        type(pair) in (list, tuple) and len(pair) == 2 and type(pair[0]) is str for pair in pairs
    ):
        raise CheckpointError(f"the pickle is malformed: {name} of what are no pairs")
    return dict(pairs)


_CALLS: dict[tuple[str, str], Callable[[str, tuple[Any, ...]], Any]] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _nested_storage,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy.core.multiarray", "scalar"): _array,
    ("numpy._core.multiarray", "scalar"): _array,
    ("numpy", "ndarray"): _array,
    ("numpy", "dtype"): _array,
    ("builtins", "set"): _set,
    ("_codecs", "encode"): _latin1,
    ("collections", "OrderedDict"): _dict,
    ("dnnlib.util", "EasyDict"): _dict,
    # Classes that published generators refer to by name instead of carrying their source.
    ("training.triplane", "OSGDecoder"): _module,
    ("training.volumetric_rendering.renderer", "ImportanceRenderer"): _module,
    ("training.volumetric_rendering.ray_sampler", "RaySampler"): _module,
    ("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"): _module,
    ("torch.nn.modules.container", "Sequential"): _module,
    ("torch.nn.modules.container", "ModuleList"): _module,
    ("torch.nn.modules.activation", "Softplus"): _module,
    ("torch.nn.modules.activation", "LeakyReLU"): _module,
    ("torch.nn.modules.linear", "Identity"): _module,
}

SCRIPT = "__torch__"
"""Package of the classes in an archive of TorchScript."""
_PLAIN_NAMES = (*DTYPES, "float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8")
"""Names in `torch` that are data: types of storages and of tensors."""


def find_record(module: str, name: str) -> Record:
    """Return the record that stands for a name.

    Raises:
        UnsafeCheckpointError: the name is not on the list.
    """
    module = "builtins" if module == "__builtin__" else module  # the spelling of protocol 2
    answer = _CALLS.get((module, name))
    if answer is not None:
        return _Name(f"{module}.{name}", answer)
    if module.partition(".")[0] == SCRIPT:  # a class by the archive's own code, which stays there
        return _Name(f"{module}.{name}", _script)
    if module == "torch" and (name in _PLAIN_NAMES or name == "bool"):
        return Record(name)
    full = f"{module}.{name}"
    raise UnsafeCheckpointError(
        f"the pickle asks for {full if full.isprintable() else ascii(full)}, which is not needed "
        "for tensors; nothing was executed. "
        "Do not load this file with other tools unless you trust whoever made it"
    )


def load(
    window: Window, limits: Limits, load_storage: Callable[[Any], StorageRecord] | None = None
) -> Any:
    """Read one pickle into plain containers and records.

    Args:
        window: begins with the pickle; read up to its end mark.
        limits: of the file that the pickle is in.
        load_storage: answers a persistent id, as torch's files have them; others have none.

    Returns:
        Containers, numbers, texts, spans and `Record`s.

    Raises:
        UnsafeCheckpointError: it names something outside the list; nothing was executed.
        CheckpointError: it is truncated or malformed.
    """
    return PickleMachine(window, limits, find_record, load_storage).run()
