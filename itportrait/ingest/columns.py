"""Numbers that an input brings along, in a table's row or an archive's JSON, checked."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from itportrait.errors import InvalidArgumentError

SHAPES = {"landmarks": (5, 2), "crop": (3,), "camera": (25,)}
"""Columns that are taken along, with their shapes; the numbers may also be one flat list."""


def given_columns(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the arrays among `values`; names that are absent or null bring nothing along.

    Args:
        values: cells of a row by column, or the content of a JSON file.
        where: the row or file, for the message.

    Raises:
        InvalidArgumentError: one of the columns is not what `SHAPES` says; names it.
    """
    found = {name: values.get(name) for name in SHAPES}
    return {
        name: _numbers(value, SHAPES[name], f"{name} of {where}")
        for name, value in found.items()
        if value is not None
    }


def _numbers(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    count = math.prod(shape)
    layout = f"{count} finite numbers" + (", or 5 pairs of them" if len(shape) > 1 else "")
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise InvalidArgumentError(what, expected=layout, actual="a ragged list") from None
    if array.dtype.kind not in "iuf":
        raise InvalidArgumentError(what, expected=layout, actual=_kind(value))
    if array.squeeze().shape not in (shape, (count,)):
        raise InvalidArgumentError(what, expected=layout, actual=f"shape {list(array.shape)}")
    array = array.astype(np.float64).reshape(shape)
    if not np.isfinite(array).all():
        raise InvalidArgumentError(
            what, expected=layout, actual="NaN or infinity; leave the cell empty to have it found"
        )
    return array


def _kind(value: Any) -> str:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return {str: "text", dict: "a structure", bool: "truth values"}.get(
        type(value), f"{type(value).__name__} values"
    )
