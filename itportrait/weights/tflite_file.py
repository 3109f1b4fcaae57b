"""Read networks of TensorFlow Lite (`.tflite`) as plain data: tensors, constants and operations.

The format is a flatbuffer: a table begins with the distance back to its list of offsets, and the
list says, by the number of each field, how far into the table the field lies (0: absent, so that it
has its default); texts, lists and tables in a field are distances from that field. Numbers of
fields and codes of operators are those of the published schema. Nothing of a file is run. Every
offset is compared with the file's end, and values are read out of it where they are needed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from itportrait.errors import CheckpointError, MissingModelError

MOST_BYTES = 1 << 26
"""Largest file that is read; the networks that are read here have 1 to 3 MB."""
_MARK = b"TFL3"
_MOST_ITEMS = 10_000
_MOST_VALUES = 1 << 24
_LONGEST_NAME = 256
_TYPES = {0: "<f4", 1: "<f2", 2: "<i4"}
"""NumPy's name of each element type that is read here."""
_OPERATORS: dict[int, tuple[str, tuple[tuple[str, int, str, int], ...]]] = {
    0: ("add", (("activation", 0, "b", 0),)),
    3: (
        "conv",
        (
            ("padding", 0, "b", 0),
            ("stride_x", 1, "i", 0),
            ("stride_y", 2, "i", 0),
            ("activation", 3, "b", 0),
            ("dilation_x", 4, "i", 1),
            ("dilation_y", 5, "i", 1),
        ),
    ),
    4: (
        "depthwise",
        (
            ("padding", 0, "b", 0),
            ("stride_x", 1, "i", 0),
            ("stride_y", 2, "i", 0),
            ("multiplier", 3, "i", 0),
            ("activation", 4, "b", 0),
            ("dilation_x", 5, "i", 1),
            ("dilation_y", 6, "i", 1),
        ),
    ),
    6: ("dequantize", ()),
    17: (
        "max_pool",
        (
            ("padding", 0, "b", 0),
            ("stride_x", 1, "i", 0),
            ("stride_y", 2, "i", 0),
            ("width", 3, "i", 0),
            ("height", 4, "i", 0),
            ("activation", 5, "b", 0),
        ),
    ),
    22: ("reshape", ()),
    34: ("pad", ()),
    54: ("prelu", ()),
}
"""Code -> name here, and options: name, number of the field, format, default."""


@dataclass(frozen=True, eq=False)
class TfliteTensor:
    """One tensor of a network."""

    name: str
    """Its name in the file."""
    shape: tuple[int, ...]
    """Sizes; pictures are `[1, H, W, C]`."""
    values: np.ndarray | None
    """The values of a constant, float16, float32 or int32; None for what is computed."""


@dataclass(frozen=True)
class TfliteStep:
    """One operation, on tensors that are named by their numbers."""

    operator: str
    """`conv`, `depthwise`, `prelu`, `add`, `max_pool`, `pad`, `reshape` or `dequantize`."""
    inputs: tuple[int, ...]
    """What goes in."""
    output: int
    """What comes out."""
    options: dict[str, int]
    """Options by name; `padding` is 0 for "same" and 1 for "valid"."""


@dataclass(frozen=True)
class TfliteNetwork:
    """A network of a file."""

    tensors: list[TfliteTensor]
    """All tensors, by their numbers."""
    steps: list[TfliteStep]
    """In the order in which they are to be computed."""
    inputs: tuple[int, ...]
    """Numbers of the tensors that the network is given."""
    outputs: tuple[int, ...]
    """Numbers of the tensors that it gives."""


def read_tflite(path: str | Path) -> TfliteNetwork:
    """Read a network.

    Raises:
        MissingModelError: no such file.
        CheckpointError: it is no such file, is damaged, or has operators, activations or element
            types that are not known here; says which.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(f"no network at {path}")
    if path.stat().st_size > MOST_BYTES:
        raise CheckpointError(f"{path} has more than {MOST_BYTES >> 20} MiB")
    try:
        return _network(path.read_bytes())
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from None
    except (struct.error, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is damaged or truncated: {error}") from None


def _network(data: bytes) -> TfliteNetwork:
    if data[4:8] != _MARK:
        raise CheckpointError("is no network of TensorFlow Lite")
    model = _Table(data, _follow(data, 0))
    graphs = list(model.tables(2))
    if len(graphs) != 1:
        raise CheckpointError(f"has {len(graphs)} graphs, expected one")
    buffers = list(model.tables(4))
    codes = [max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]
    tensors = [_tensor(table, buffers) for table in graphs[0].tables(0)]
    steps = [_step(table, codes) for table in graphs[0].tables(3)]
    inputs, outputs = graphs[0].numbers(1), graphs[0].numbers(2)
    named = {*inputs, *outputs, *(n for step in steps for n in (*step.inputs, step.output))}
    if not inputs or not outputs or not named <= set(range(len(tensors))):
        raise CheckpointError("is damaged: it names tensors that it does not have")
    return TfliteNetwork(tensors, steps, inputs, outputs)


def _tensor(table: "_Table", buffers: list["_Table"]) -> TfliteTensor:
    name, shape = table.text(3), table.numbers(0)
    kind, buffer = table.number(1, "b"), table.number(2, "I")
    if len(shape) > 4 or any(size < 1 for size in shape) or prod(shape) > _MOST_VALUES:
        raise CheckpointError(f"has a tensor {name!r} of the shape {list(shape)}")
    if kind not in _TYPES or table.has(6):
        raise CheckpointError(f"has elements that are not read here: type {kind} of {name!r}")
    if buffer >= len(buffers):
        raise CheckpointError(f"is damaged: {name!r} lies in buffer {buffer} of {len(buffers)}")
    stored = buffers[buffer].bytes(0)
    if not stored:
        return TfliteTensor(name, shape, None)
    expected = prod(shape) * np.dtype(_TYPES[kind]).itemsize
    if len(stored) != expected:
        raise CheckpointError(f"is damaged: {name!r} has {len(stored)} bytes, not {expected}")
    return TfliteTensor(name, shape, np.frombuffer(stored, _TYPES[kind]).reshape(shape))


def _step(table: "_Table", codes: list[int]) -> TfliteStep:
    index, outputs = table.number(0, "I"), table.numbers(2)
    if index >= len(codes) or len(outputs) != 1:
        raise CheckpointError(f"is damaged: an operation {index} with {len(outputs)} outputs")
    if codes[index] not in _OPERATORS:
        known = ", ".join(f"{code} ({name})" for code, (name, _) in _OPERATORS.items())
        raise CheckpointError(f"has the operator {codes[index]}, known here are {known}")
    operator, fields = _OPERATORS[codes[index]]
    given = table.table(4)
    options = {
        name: default if given is None else given.number(field, kind, default)
        for name, field, kind, default in fields
    }
    if options.pop("activation", 0):
        raise CheckpointError(f"is not read here: its {operator} has an activation in it")
    return TfliteStep(operator, table.numbers(1), outputs[0], options)


class _Table:
    """A table of a flatbuffer.

    Args:
        data: the file.
        place: where the table begins.
    """

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        self._fields = place - _unpack("i", data, place)
        self._count = (_unpack("H", data, self._fields) - 4) // 2

    def has(self, field: int) -> bool:
        return self._offset(field) is not None

    def number(self, field: int, kind: str, default: int = 0) -> int:
        place = self._offset(field)
        return default if place is None else _unpack(kind, self._data, place)

    def table(self, field: int) -> "_Table | None":
        place = self._offset(field)
        return None if place is None else _Table(self._data, _follow(self._data, place))

    def tables(self, field: int) -> Iterator["_Table"]:
        start, count = self._list(field, 4, _MOST_ITEMS)
        for index in range(count):
            yield _Table(self._data, _follow(self._data, start + 4 * index))

    def numbers(self, field: int) -> tuple[int, ...]:
        start, count = self._list(field, 4, _MOST_ITEMS)
        return struct.unpack_from(f"<{count}i", self._data, start)

    def text(self, field: int) -> str:
        start, count = self._list(field, 1, _LONGEST_NAME)
        return self._data[start : start + count].decode("utf-8")

    def bytes(self, field: int) -> bytes:
        start, count = self._list(field, 1, MOST_BYTES)
        return self._data[start : start + count]

    def _offset(self, field: int) -> int | None:
        if field >= self._count:
            return None
        offset = _unpack("H", self._data, self._fields + 4 + 2 * field)
        return self._place + offset if offset else None

    def _list(self, field: int, size: int, most: int) -> tuple[int, int]:
        """Return where the items of a list begin, and how many there are."""
        place = self._offset(field)
        if place is None:
            return 0, 0
        start = _follow(self._data, place)
        count = _unpack("I", self._data, start)
        if count > most or start + 4 + count * size > len(self._data):
            raise CheckpointError(f"is damaged or truncated: a list of {count} items")
        return start + 4, count


def _follow(data: bytes, place: int) -> int:
    return place + _unpack("I", data, place)


def _unpack(kind: str, data: bytes, place: int) -> int:
    if place < 0:  # Python would count from the end
        raise CheckpointError("is damaged: an offset before the file's beginning")
    return struct.unpack_from(f"<{kind}", data, place)[0]
