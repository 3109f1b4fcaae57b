"""Read safetensors files of others: every claim of their header is checked before a tensor is read.

The library writes ours, but does not read: it maps the file into memory, so that one that gets
shorter meanwhile ends the process, and it takes headers of 100 MB.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch

from itportrait.documents import parse_object
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.weights.limits import Limits
from itportrait.weights.stored import StorageRecord, StoredTensor, cut_tensor
from itportrait.weights.windows import Window

_LARGEST_HEADER = 1 << 20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class SafetensorsFile:
    """Content of a file whose tensors have not been read yet."""

    tensors: dict[str, StoredTensor]
    """Tensors by name, not read yet."""
    metadata: dict[str, str]
    """Texts that the file holds about itself."""


def open_safetensors(window: Window, limits: Limits) -> SafetensorsFile:
    """Read the header of a safetensors file.

    Args:
        window: the whole file.
        limits: of the file.

    Raises:
        CheckpointError: the file is truncated, or its header does not describe it: too long or
            deep, tensors of unknown types, that overlap, leave gaps, or do not fit their shapes.
    """
    if window.left < 8:
        raise CheckpointError("truncated: no safetensors file is that short")
    length = int.from_bytes(window.take(8), "little")
    if length > min(_LARGEST_HEADER, window.left):
        raise CheckpointError(
            f"truncated or malformed: a header of {length} bytes, where {window.left} follow "
            f"and {_LARGEST_HEADER} are the most"
        )
    header = parse_json(window.take(length), "the header")
    metadata = header.pop("__metadata__", {})
    if type(metadata) is not dict or not all(type(value) is str for value in metadata.values()):
        raise CheckpointError("malformed: __metadata__ must hold texts by name")
    size, ends = window.left, 0
    tensors = {}
    for begin, end, name in sorted(_extent(name, entry) for name, entry in header.items()):
        if begin != ends or end > size:
            raise CheckpointError(
                f"truncated or malformed: {name!r} lies at {begin} to {end}, where the data goes "
                f"from {ends} to {size}"
            )
        tensors[name] = _stored(window, header[name], end - begin, name, limits)
        ends = end
    if ends != size:
        raise CheckpointError(f"malformed: {size - ends} bytes belong to no tensor")
    return SafetensorsFile({name: tensors[name] for name in header}, metadata)


def parse_json(text: bytes | str, what: str) -> dict[str, Any]:
    """Return the object of a JSON text that a file of weights holds.

    Raises:
        CheckpointError: it is no JSON, no object, too deep, or names something twice.
    """
    try:
        return parse_object(text, what)
    except InvalidArgumentError as error:
        raise CheckpointError(f"malformed: {error}") from error


def _extent(name: str, entry: Any) -> tuple[int, int, str]:
    if type(entry) is not dict or entry.keys() != _FIELDS:
        raise CheckpointError(f"malformed: {name!r} must have {', '.join(sorted(_FIELDS))}")
    offsets = entry["data_offsets"]
    if (
        type(offsets) is not list
        or len(offsets) != 2
        or not all(type(item) is int for item in offsets)
        or not 0 <= offsets[0] <= offsets[1]
    ):
        raise CheckpointError(f"malformed: {name!r} has no valid data_offsets")
    return offsets[0], offsets[1], name


def _stored(
    window: Window, entry: dict[str, Any], length: int, name: str, limits: Limits
) -> StoredTensor:
    kind, shape = entry["dtype"], entry["shape"]
    if type(kind) is not str or kind not in _DTYPES:
        raise CheckpointError(f"malformed: {name!r} is of type {str(kind)[:40]!r}")
    if (
        type(shape) is not list
        or len(shape) > 16
        or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
    ):
        raise CheckpointError(f"malformed: {name!r} has no valid shape")
    dtype = _DTYPES[kind]
    if math.prod(shape) * dtype.itemsize != length:
        raise CheckpointError(f"malformed: {name!r} of shape {shape[:16]} has {length} bytes")
    storage = StorageRecord(dtype, length, window.skip(length).read)
    stride = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return cut_tensor(storage, 0, tuple(shape), tuple(stride), name, limits)
