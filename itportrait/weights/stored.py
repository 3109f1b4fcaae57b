"""Tensors that still lie in their file: their sizes are checked before their bytes are read."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from itportrait.errors import CheckpointError
from itportrait.weights.limits import Limits
from itportrait.weights.pickle_machine import Record, describe

DTYPES = {
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
"""Type of the values in each of torch's storages."""
_MOST_DIMENSIONS = 16
_MOST_VALUES = 1 << 48


class StorageRecord(Record):
    """The values of one or several tensors, in the file."""

    __slots__ = ("_flat", "_read", "dtype", "length", "users")

    def __init__(self, dtype: torch.dtype, length: int, read: Callable[[], bytearray]) -> None:
        super().__init__("a storage")
        if length % dtype.itemsize:
            raise CheckpointError(f"a storage of {length} bytes of {dtype} is truncated")
        self.dtype, self.length, self._read = dtype, length, read
        self.users = 0
        self._flat: Tensor | None = None

    @property
    def count(self) -> int:
        """Number of values."""
        return self.length // self.dtype.itemsize

    def claim(self, limits: Limits) -> None:
        """Count one more tensor that is cut from this storage."""
        if self.users == 0:
            limits.take_storage(self.length)
        self.users += 1

    def take(self) -> Tensor:
        """Return all values; kept until every tensor has been cut from them."""
        if self._flat is None:
            data = self._read() if self.length else b""
            flat = torch.frombuffer(data, dtype=self.dtype) if data else torch.empty(0)
            self._flat = flat.to(self.dtype)
        flat, self.users = self._flat, self.users - 1
        if self.users <= 0:
            self._flat = None
        return flat


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor of a file, by its shape; `read` gives its values, once."""

    shape: tuple[int, ...]
    """Sizes of the tensor, checked against the storage."""
    dtype: torch.dtype
    """Type of the tensor's values."""
    read: Callable[[], Tensor]
    """Function that returns the tensor, in memory of its own."""


def read_tensor(tensor: StoredTensor | Tensor) -> Tensor:
    """Return a tensor, read if it still lies in its file."""
    return tensor.read() if isinstance(tensor, StoredTensor) else tensor


def cut_tensor(
    storage: StorageRecord, offset: Any, size: Any, stride: Any, name: str, limits: Limits
) -> StoredTensor:
    """Return a tensor of a storage, after checking that the storage holds it.

    Args:
        storage: its values.
        offset: of the first value; from the file, as the next two, so of any kind.
        size: along each dimension.
        stride: along each dimension.
        name: of the tensor, for errors.
        limits: of the file.

    Raises:
        CheckpointError: these are no shape, or reach past the storage.
    """
    if not (_are_sizes((offset,)) and _are_sizes(size) and _are_sizes(stride)):
        raise CheckpointError(f"{name} has no valid shape")
    if len(size) != len(stride):
        raise CheckpointError(f"{name} has {len(size)} sizes and {len(stride)} strides")
    if math.prod(max(n, 1) for n in size) >= _MOST_VALUES:
        raise CheckpointError(f"{name} has no valid shape")
    stride = tuple(step if n > 1 else 1 for n, step in zip(size, stride, strict=True))
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.count:
        raise CheckpointError(
            f"{name} of shape {list(size)} is truncated: its storage has {storage.count} values"
        )
    length = math.prod(size) * storage.dtype.itemsize
    limits.take_tensor(length)
    storage.claim(limits)

    def read() -> Tensor:
        shared = storage.users > 1 or length < storage.length
        view = storage.take().as_strided(size, stride, offset)
        return view.clone() if shared or not view.is_contiguous() else view

    if 0 in size:
        return StoredTensor(size, storage.dtype, lambda: torch.empty(size, dtype=storage.dtype))
    return StoredTensor(size, storage.dtype, read)


def _are_sizes(values: Any) -> bool:
    return (
        type(values) is tuple
        and len(values) <= _MOST_DIMENSIONS
        and all(type(value) is int and 0 <= value < _MOST_VALUES for value in values)
    )


def dtype_of(kind: Any) -> torch.dtype:
    """Return the type of a storage's values from what a pickle names.

    Raises:
        CheckpointError: that is no storage of one.
    """
    dtype = DTYPES.get(kind.name) if isinstance(kind, Record) else None
    if dtype is None:
        raise CheckpointError(f"a storage is of an unknown kind: {describe(kind)}")
    return dtype
