"""Read networks that dlib has written (`.dat`): layers from the picture on, by their sizes.

What the bytes mean, as told from published files: a whole number is one byte with the count of the
bytes that follow (and 0x80 for a negative sign), then those bytes, lowest first; a real number is
two whole numbers, mantissa and power of two; a text is its length and its bytes; a yes or no is the
letter 1 or 0; a tensor is the number 2, four sizes, and its values as 32-bit floats. A network is
the name and numbers of its loss, one number for each part from the last to the first (1 for marks
that later parts refer to, 2 for layers, 3 for the first layer), and then what each layer holds,
from the first to the last. No code is stored. Every size is compared with the file first, and
tensors stay in the file until they are read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.weights.limits import Limits
from itportrait.weights.stored import StorageRecord, StoredTensor, cut_tensor
from itportrait.weights.windows import Window, fence

_MOST_PARTS = 10_000
_LONGEST_NAME = 64
_LARGEST_POWER = 1_000
_LAST_PART = 3
_LAYER, _MARK = 2, 1
_INPUT = "input_rgb_image_sized"
_LOSS = "loss_metric_2"


@dataclass(frozen=True)
class DlibLayer:
    """One layer of a network."""

    kind: str
    """`con`, `affine`, `relu`, `max_pool`, `avg_pool`, `add_prev`, `fc`, or `mark`: a place that a
    later layer takes its input from, or where that is taken."""
    sizes: tuple[int, ...] = ()
    """Of `con`: outputs, rows, columns, strides and paddings (each y, x). Of pools: rows, columns,
    strides, paddings; rows and columns of 0 mean the whole picture. Of `fc`: outputs, inputs."""
    values: StoredTensor | None = None
    """All numbers of the layer, one after the other. Of `con`: filters as in torch, then one
    addend for each output. Of `affine`: a factor for each channel, then addends. Of `fc`: `[inputs,
    outputs]`."""


@dataclass(frozen=True)
class DlibNetwork:
    """A network of a file."""

    mean: tuple[float, float, float]
    """Red, green and blue that are subtracted from a picture's values, 0 to 255; the difference is
    divided by 256."""
    height: int
    """Rows of the pictures that the network sees."""
    width: int
    """Columns of these pictures."""
    layers: list[DlibLayer]
    """From the picture on."""


@contextmanager
def open_dlib_network(path: str | Path) -> Iterator[DlibNetwork]:
    """Open a network of dlib's that was trained by comparing pictures (`loss_metric`).

    Raises:
        MissingModelError: no such file.
        CheckpointError: the file is truncated, goes on after its end, or holds another network or
            layers that are not known here; also what the block raises about it.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(f"no network at {path}")
    with fence(path), path.open("rb") as file:
        size = path.stat().st_size
        yield _Reader(Window(file, 0, size), Limits(size)).network()


class _Reader:
    def __init__(self, window: Window, limits: Limits) -> None:
        self._window, self._limits = window, limits

    def network(self) -> DlibNetwork:
        self._integer()
        self._expect(_LOSS, self._text())
        for _ in range(2):  # margin and threshold of the loss
            self._real()
        parts = self._parts()
        self._expect(_INPUT, self._text())
        red, green, blue = (self._real() for _ in range(3))
        height, width = self._size(), self._size()
        layers = [self._part(number, part) for number, part in enumerate(parts)]
        if self._window.left:
            raise CheckpointError(f"malformed: {self._window.left} bytes belong to no layer")
        return DlibNetwork((red, green, blue), height, width, layers)

    def _parts(self) -> list[int]:
        """Return what kinds of parts there are, from the picture on."""
        parts: list[int] = []
        while not parts or parts[-1] != _LAST_PART:
            part = self._integer()
            if part not in (_MARK, _LAYER, _LAST_PART) or len(parts) >= _MOST_PARTS:
                raise CheckpointError(f"malformed: part {len(parts)} is of kind {part}")
            parts.append(part)
        return parts[::-1]

    def _part(self, number: int, part: int) -> DlibLayer:
        if part == _MARK:
            return DlibLayer("mark")
        layer = self._layer(self._text())
        for _ in range(3):
            if self._window.take(1) not in (b"0", b"1"):
                raise CheckpointError(f"malformed: {layer.kind} ({number}) has no yes or no")
        for _ in range(3):  # gradients and outputs of the training
            self._tensor("a layer's leftover of its training")
        if part == _LAST_PART:
            self._integer()  # how many pictures a sample has
        return layer

    def _layer(self, name: str) -> DlibLayer:
        if name == "con_4":
            values = self._tensor(name)
            sizes = tuple(self._size() for _ in range(7))
            filters, addends = self._shape(), self._shape()
            inputs = filters[1]
            self._check_count(name, values, prod(filters) + prod(addends))
            if filters != (sizes[0], inputs, *sizes[1:3]) or addends != (1, sizes[0], 1, 1):
                raise CheckpointError(f"malformed: filters {filters} of a con of sizes {sizes}")
            self._skip_rates()
            return DlibLayer("con", sizes, values)
        if name == "affine_":
            values = self._tensor(name)
            factors, addends = self._shape(), self._shape()
            self._integer()
            self._check_count(name, values, prod(factors) + prod(addends))
            return DlibLayer("affine", (prod(factors),), values)
        if name in ("max_pool_2", "avg_pool_2"):
            return DlibLayer(name[:-2], tuple(self._size() for _ in range(6)))
        if name == "fc_2":
            sizes = self._size(), self._size()
            values = self._tensor(name)
            weights, addends = self._shape(), self._shape()
            self._integer()
            self._check_count(name, values, prod(weights) + prod(addends))
            self._skip_rates()
            if prod(weights) != prod(sizes) or prod(addends):
                raise CheckpointError(f"malformed: weights {weights} of a fc of sizes {sizes}")
            return DlibLayer("fc", sizes, values)
        if name in ("relu_", "add_prev_"):
            return DlibLayer(name[:-1])
        raise CheckpointError(f"has a layer of an unknown kind: {name!r}")

    def _tensor(self, name: str) -> StoredTensor:
        self._expect("2", str(self._integer()))
        count = prod(self._size() for _ in range(4))
        storage = StorageRecord(torch.float32, 4 * count, self._window.skip(4 * count).read)
        return cut_tensor(storage, 0, (count,), (1,), name, self._limits)

    def _shape(self) -> tuple[int, ...]:
        self._expect("1", str(self._integer()))
        return tuple(self._size() for _ in range(4))

    def _skip_rates(self) -> None:
        for _ in range(4):  # learning rates and decays, of weights and of addends
            self._real()

    def _check_count(self, name: str, values: StoredTensor, count: int) -> None:
        if values.shape != (count,):
            raise CheckpointError(f"malformed: {name} has {values.shape[0]} values, not {count}")

    def _expect(self, expected: str, actual: str) -> None:
        if actual != expected:
            raise CheckpointError(f"is no such network: {actual!r} where {expected!r} is expected")

    def _integer(self) -> int:
        head = self._window.take(1)[0]
        count = head & 0x7F
        if count > 8:
            raise CheckpointError(f"malformed: a number of {count} bytes")
        value = int.from_bytes(self._window.take(count), "little")
        return -value if head & 0x80 else value

    def _size(self) -> int:
        value = self._integer()
        if not 0 <= value < 1 << 31:
            raise CheckpointError(f"malformed: a size of {value}")
        return value

    def _real(self) -> float:
        mantissa, power = self._integer(), self._integer()
        if abs(power) > _LARGEST_POWER:
            raise CheckpointError(f"malformed: a number with the power of two {power}")
        return mantissa * 2.0**power

    def _text(self) -> str:
        length = self._integer()
        if not 0 <= length <= _LONGEST_NAME:
            raise CheckpointError(f"malformed or truncated: a name of {length} bytes")
        return self._window.take(length).decode("ascii")
