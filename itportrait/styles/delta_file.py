"""Files of what portraits change in a generator's weights: matrices of low rank, in 8 bits a value.

A file is a safetensors file. Under a parameter's own name lies its difference, in half precision; a
matrix of low rank lies as two factors of 8-bit integers, `NAME:up [rows, rank]` and
`NAME:down [rank, columns]`, with a factor for each rank, `NAME:scale [rank]`: the difference is
up @ diag(scale) @ down (rows are output channels, columns all else). In files of the first format
the two factors are in half precision, and there are no scales. The header has one entry, whose name
is the format and whose value gives the shapes of these differences: several entries would stand in
an order of chance, and equal differences must give equal bytes. Among the shapes
stands `:fades`, with an empty list, where the differences fade as a style comes in.
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from safetensors.torch import save
from torch import Tensor

from itportrait.errors import CheckpointError
from itportrait.weights.limits import Limits
from itportrait.weights.safetensors import open_safetensors, parse_json
from itportrait.weights.windows import Window, fence

FORMATS = ("itportrait-delta-1", "itportrait-delta-2")
"""Formats that are read; the last is written."""
FADES = ":fades"
"""What stands among the shapes of differences that fade in styles."""
UP, DOWN = ":up", ":down"
"""Ends of the names of a low-rank difference's two factors."""
_SCALE = ":scale"
_LARGEST = 127
"""Largest 8-bit integer of a factor."""
_MOST_VALUES = 2**28
"""Largest number of values of one difference: a damaged shape must not take all memory."""


def as_matrix(shape: Sequence[int]) -> tuple[int, int]:
    """Return the shape of a parameter as a matrix: output channels, by all that goes in."""
    return (shape[0] if shape else 1), math.prod(shape[1:])


def is_low_rank(shape: Sequence[int], rank: int | None) -> bool:
    """Return whether two factors of a rank have fewer values than a parameter of a shape."""
    rows, columns = as_matrix(shape)
    return rank is not None and rank * (rows + columns) < rows * columns


def encode_changes(
    changes: Mapping[str, Tensor], rank: int | None, *, fades: bool = False
) -> bytes:
    """Return the file of differences.

    Args:
        changes: parameter name -> difference.
        rank: to which matrices are cut, keeping their largest singular values; of one that has no
            higher rank, digits alone are lost. A matrix that has fewer values than its factors, and
            all that is no matrix, stays as it is; so does everything with None.
        fades: whether they fade as a style comes in.
    """
    tensors: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {FADES: []} if fades else {}
    for name, change in changes.items():
        matrix = change.detach().float().cpu().reshape(as_matrix(change.shape))
        if not is_low_rank(change.shape, rank):
            tensors[name] = change.detach().cpu().half()
            continue
        u, s, v = cast(
            "tuple[Tensor, Tensor, Tensor]",
            torch.linalg.svd(matrix, full_matrices=False),  # pyright: ignore[reportUnknownMemberType]
        )
        up, of_up = _in_8_bits(u[:, :rank].T)
        down, of_down = _in_8_bits(v[:rank])
        tensors[name + UP], tensors[name + DOWN] = up.T, down
        tensors[name + _SCALE] = s[:rank] * of_up * of_down
        shapes[name] = list(change.shape)
    header = {FORMATS[-1]: json.dumps(shapes, sort_keys=True)}
    return save({name: tensor.contiguous() for name, tensor in tensors.items()}, header)


def decode_changes(data: bytes, source: str) -> tuple[dict[str, Tensor], bool]:
    """Return the differences, float32, that `encode_changes` wrote, and whether they fade.

    Args:
        data: content of the file.
        source: its name, for errors.

    Raises:
        CheckpointError: truncated, or no such file.
    """
    with fence(source):
        file = open_safetensors(Window(io.BytesIO(data), 0, len(data)), Limits(len(data)))
        known = [name for name in FORMATS if name in file.metadata]
        if not known:
            raise CheckpointError(
                f"not a difference of weights: its header has no entry {' or '.join(FORMATS)}, but "
                f"{', '.join(sorted(file.metadata)) or 'none'}"
            )
        shapes = parse_json(file.metadata[known[-1]], "its shapes")
        tensors = {name: tensor.read().float() for name, tensor in file.tensors.items()}
        names = [name.removesuffix(UP) for name in tensors if not name.endswith((DOWN, _SCALE))]
        return {name: _change(name, tensors, shapes) for name in names}, FADES in shapes


def _change(name: str, tensors: Mapping[str, Tensor], shapes: Mapping[str, Any]) -> Tensor:
    if name in tensors:
        return tensors[name]
    up, down = tensors[name + UP], tensors.get(name + DOWN)
    scale = tensors.get(name + _SCALE)
    listed = cast(
        "Sequence[object]", shapes.get(name) if isinstance(shapes.get(name), list) else []
    )
    shape = [size for size in listed if isinstance(size, int) and size >= 0]
    if (
        down is None
        or up.ndim != 2
        or down.ndim != 2
        or up.shape[1] != down.shape[0]
        or not shape
        or shape[0] != len(up)
        or torch.Size(shape).numel() != len(up) * down.shape[1]
        or len(up) * down.shape[1] > _MOST_VALUES
        or (scale is not None and scale.shape != up.shape[1:])
    ):
        raise CheckpointError(f"not a difference of weights: the factors of {name} do not fit")
    return ((up if scale is None else up * scale) @ down).view(shape)


def _in_8_bits(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows `[N, M]` as 8-bit integers, and the factor `[N]` of each that gives it back."""
    scale = rows.abs().amax(1) / _LARGEST
    return (rows / scale.clamp_min(1e-30)[:, None]).round().to(torch.int8), scale
