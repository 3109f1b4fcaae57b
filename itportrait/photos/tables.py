"""Parquet tables of encoded pictures, read a row group at a time; damage is one kind of error."""

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from itportrait.errors import DecodeError
from itportrait.io.uris import open_fs, redact
from itportrait.photos.formats import SUFFIXES

_FIRST_COLUMNS = ("image", "bytes", "data", "jpg", "jpeg", "png", "webp", "content", "photo")
# The order matters: of several such columns, the first in this list has always been read.
_BYTES_COLUMNS = tuple(dict.fromkeys((*_FIRST_COLUMNS, *SUFFIXES)))


@contextlib.contextmanager
def damage_of(what: str) -> Iterator[None]:
    """Turn what damaged tables make the reader raise into `DecodeError`.

    What storage raises, and a lack of memory, come through as they are: they may pass.

    Args:
        what: the table or its part, for the message.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, ArithmeticError) as error:
        # The reader's own OSError has no number; storage's errors do.
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
            raise
        if isinstance(error, MemoryError):
            raise
        reason = " ".join(redact(str(error) or type(error).__name__).split())
        raise DecodeError(f"{what} is damaged: {reason}") from error


def open_table(file: Any, uri: str) -> pq.ParquetFile:
    """Return a Parquet table, of which the footer has been read.

    Raises:
        DecodeError: the file is no whole Parquet table.
    """
    with damage_of(f"table {redact(uri)}"):
        table = pq.ParquetFile(file)
        _ = table.schema_arrow
    return table


def bytes_column(schema: pa.Schema) -> str:
    """Return the name of a table's column of encoded pictures, or "" if it has none."""
    for name in _BYTES_COLUMNS:
        index = schema.get_field_index(name)
        if index >= 0 and holds_bytes(schema.field(index).type):
            return name
    return ""


def holds_bytes(kind: pa.DataType) -> bool:
    """Tell whether cells of a type are bytes, or structs with `bytes` as Hugging Face has them."""
    if isinstance(kind, pa.StructType):
        index = kind.get_field_index("bytes")
        return index >= 0 and holds_bytes(kind.field(index).type)
    if isinstance(kind, pa.BaseExtensionType):
        return holds_bytes(kind.storage_type)
    plain = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
    types = pa.types
    return (
        types.is_binary(plain)
        or types.is_large_binary(plain)
        or types.is_fixed_size_binary(plain)
        or types.is_binary_view(plain)
    )


def read_cell(
    container: str, version: str, group: int, row: int, *, column: str = ""
) -> bytes | None:
    """Return the encoded picture of a row; the row group is kept for the rows beside it.

    Args:
        container: URI of the table.
        version: of the table; another one is read again.
        group: row group.
        row: within the group.
        column: that holds the picture; "" is the one of photos.

    Returns:
        The bytes; None for an empty cell.

    Raises:
        DecodeError: the row group is damaged, or the row is not there.
        OSError: the table cannot be read.
    """
    # Photos and masks are read in turns, and each read must not cost the other its row group.
    read = _row_group_of_masks if column else _row_group
    pictures = read(container, version, group, column)
    if isinstance(pictures, str):
        raise DecodeError(pictures)
    if row >= len(pictures):
        raise DecodeError(f"row group {group} of {redact(container)} has no row {row}")
    return pictures[row]


def _read_row_group(
    container: str, version: str, group: int, column: str
) -> list[bytes | None] | str:
    """Return the pictures of a row group, or what is damaged: as many rows ask for that."""
    fs, path = open_fs(container)
    with fs.open(path, "rb") as file:
        try:
            table = open_table(file, container)
            with damage_of(f"row group {group} of {redact(container)}"):
                name = column or bytes_column(table.schema_arrow)
                values = table.read_row_group(group, columns=[name]).column(0).to_pylist()
                return [_picture_bytes(value) for value in values]
        except DecodeError as error:
            return str(error)


_row_group = lru_cache(maxsize=1)(_read_row_group)
_row_group_of_masks = lru_cache(maxsize=1)(_read_row_group)


def _picture_bytes(value: Any) -> bytes | None:
    """Return the bytes of a table's cell: plain, or the `bytes` of a Hugging Face struct."""
    if isinstance(value, dict):
        empty = not value.get("path")  # a struct that names a file holds a picture, but not here
        value = value.get("bytes")
        return value if isinstance(value, bytes) else None if empty else b""
    return value if isinstance(value, bytes) else None
