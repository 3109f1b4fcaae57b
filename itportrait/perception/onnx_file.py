"""ONNX files of other people as plain data, complete, and without operators or files from
elsewhere.

The `onnx` package parses the file; nothing of it is run. What `onnx_graph.py` computes with is made
here: nodes with plain attributes, and arrays whose sizes are what the file has bytes for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from itportrait.errors import CheckpointError, MissingModelError

MOST_BYTES = 1 << 30
"""Largest file that is read; the largest published face-recognition networks have 0.3 GB."""
MOST_NODES = 10_000
_DOMAINS = ("", "ai.onnx")
_TYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("?", "int32_data"),
    10: ("<f2", ""),
    11: ("<f8", "double_data"),
}
"""NumPy's name of each of ONNX's element types, and the field of its values that are not raw."""

Value = int | float | str | tuple[int, ...] | tuple[float, ...] | np.ndarray


@dataclass(frozen=True)
class Node:
    """One operation: names of what goes in ("" where it is left out) and comes out."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Value]


@dataclass(frozen=True)
class Graph:
    """A network from one picture to one vector.

    Args:
        input: name of the picture `[N, 3, H, W]`.
        batch: pictures that it takes at once, where the file says so; else None.
        output: name of the result.
        constants: name -> array.
        nodes: in order.
        opset: version of the operators.
    """

    input: str
    batch: int | None
    output: str
    constants: dict[str, np.ndarray]
    nodes: tuple[Node, ...]
    opset: int


def read_graph(path: str | Path) -> Graph:
    """Read an ONNX file.

    Raises:
        MissingModelError: no such file, or the `onnx` package is not installed.
        CheckpointError: it is no ONNX file, keeps data in other files, has operators of its own, or
            does not take one picture; says which.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(f"no ONNX file at {path}")
    try:
        import onnx
    except ImportError as error:
        raise MissingModelError(
            f"{path} needs the package onnx; install it with `pip install itportrait[onnx]`"
        ) from error
    if path.stat().st_size > MOST_BYTES:
        raise CheckpointError(f"{path} has more than {MOST_BYTES >> 30} GiB")
    try:
        return _graph(onnx.load_model_from_string(path.read_bytes()))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except Exception as error:  # protobuf raises classes of its own, different between versions
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} is not a readable ONNX network: {reason}") from None


def _graph(model: Any) -> Graph:
    if model.functions:
        raise CheckpointError("it has functions of its own; export it with plain operators alone")
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise CheckpointError(f"{len(graph.node)} operations, expected at most {MOST_NODES}")
    if graph.sparse_initializer:
        raise CheckpointError("it has sparse constants; export it with plain ones")
    constants = {item.name: _array(item) for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1 or not graph.output:
        raise CheckpointError(
            f"it takes {len(inputs)} inputs and gives {len(graph.output)} outputs, expected one "
            "picture [N, 3, 112, 112] in and one vector [N, D] out"
        )
    versions = [item.version for item in model.opset_import if item.domain in _DOMAINS]
    if not versions or not 7 <= versions[0] <= 30:
        raise CheckpointError(f"operators of versions {versions}, expected one from 7 on")
    return Graph(
        input=inputs[0].name,
        batch=_check_picture(inputs[0]),
        output=graph.output[0].name,
        constants=constants,
        nodes=tuple(_node(item) for item in graph.node),
        opset=int(versions[0]),
    )


def _check_picture(item: Any) -> int | None:
    """Refuse an input that cannot be pictures of 112 pixels; return how many it takes at once."""
    kind = item.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    fits = len(dims) == 4 and all(d in (None, n) for d, n in zip(dims[1:], (3, 112, 112)))
    if kind.elem_type != 1 or (kind.HasField("shape") and not fits):
        shown = ", ".join("N" if dim is None else str(dim) for dim in dims[:8])
        raise CheckpointError(
            f"its input is of type {kind.elem_type} and shape [{shown}], expected pictures of "
            "32-bit numbers [N, 3, 112, 112]"
        )
    return dims[0] if dims and dims[0] and dims[0] > 0 else None


def _node(item: Any) -> Node:
    if item.domain not in _DOMAINS:
        raise CheckpointError(
            f"operator {item.domain[:80]}.{item.op_type[:80]} is not ONNX's own; export it with "
            "plain operators alone"
        )
    attributes = {attribute.name: _attribute(attribute) for attribute in item.attribute}
    names = (item.op_type, *item.input, *item.output)
    if not all(isinstance(name, str) for name in names):
        raise CheckpointError("a name that is no text")
    return Node(item.op_type, tuple(item.input), tuple(item.output), attributes)


def _attribute(item: Any) -> Value:
    if item.ref_attr_name:
        raise CheckpointError(f"attribute {item.name[:80]} refers to a function")
    kind = int(item.type)
    if kind == 1:
        return float(item.f)
    if kind == 2:
        return int(item.i)
    if kind == 3:
        return item.s.decode("utf-8", "replace")
    if kind == 4:
        return _array(item.t)
    if kind == 6:
        return tuple(float(value) for value in item.floats)
    if kind == 7:
        return tuple(int(value) for value in item.ints)
    raise CheckpointError(
        f"attribute {item.name[:80]} of kind {kind} (a graph of its own, or the like), expected "
        "numbers, text or a tensor"
    )


def _array(item: Any) -> np.ndarray:
    """Return a tensor's values after checking that the file itself has them all."""
    name = item.name[:80]
    if item.data_location == 1 or item.external_data:
        raise CheckpointError(
            f"the values of {name!r} lie in another file; export it with its data inside "
            "(external_data=False)"
        )
    if item.data_type not in _TYPES:
        raise CheckpointError(f"{name!r} has elements of type {item.data_type}, not supported")
    kind, field = _TYPES[item.data_type]
    shape = tuple(int(size) for size in item.dims)
    count = _count(shape)
    if item.raw_data:
        found = len(item.raw_data) // np.dtype(kind).itemsize
        whole = len(item.raw_data) == count * np.dtype(kind).itemsize
    else:
        values: Sequence[Any] = getattr(item, field) if field else item.int32_data
        found, whole = len(values), len(values) == count
    if min(shape, default=0) < 0 or not whole:
        raise CheckpointError(f"{name!r} of shape {list(shape)[:8]} has {found} values in the file")
    if item.raw_data:
        array = np.frombuffer(item.raw_data, kind)
    elif field:
        array = np.asarray(list(values), kind)
    else:  # halves are kept as the bits of whole numbers
        array = np.asarray(list(values), "<u2").view(kind)
    return _plain(array.reshape(shape))


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _plain(array: np.ndarray) -> np.ndarray:
    """Return an array of one of the three types that are computed with."""
    if array.dtype == np.bool_:
        return array.copy()
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
