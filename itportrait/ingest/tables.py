"""Parquet tables: a row an input, by URI or with its bytes, and with what it brings along."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from itportrait.errors import InvalidArgumentError
from itportrait.io.photos import bytes_column
from itportrait.io.uris import beside, open_fs, redact
from itportrait.records import Source

URI_COLUMNS = ("uri", "url", "path", "file_name")
_SHAPES = {"landmarks": (5, 2), "crop": (3,), "camera": (25,)}


def list_table(uri: str, version: str = "") -> Iterator[Source]:
    """Stream the rows of a Parquet table; the pictures' bytes stay in it until they are read.

    Args:
        uri: the table. Columns: `uri` (or `url`, `path`, `file_name`; relative ones lie beside the
            table), or encoded pictures (`image`, `bytes`, `data`, `jpg`, ...: binary, or a struct
            with `bytes`); optional `landmarks` (10 numbers), `crop` (3), `camera` (25).
        version: of the table.

    Raises:
        InvalidArgumentError: no column of photos, or one of the optional columns is misshapen.
    """
    fs, path = open_fs(uri)
    with fs.open(path, "rb") as file:
        table = pq.ParquetFile(file)
        names = table.schema_arrow.names
        place = next((name for name in URI_COLUMNS if name in names), None)
        blob = bytes_column(table.schema_arrow)
        if place is None and not blob:
            raise InvalidArgumentError(
                f"table {redact(uri)}",
                expected=f"a column {', '.join(URI_COLUMNS)} or one of encoded pictures",
                actual=f"columns {', '.join(names)}",
            )
        columns = [name for name in (place, *_SHAPES) if name in names]
        row = 0
        for group in range(table.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            rows: list[dict[str, Any]] = [{} for _ in range(count)]
            if columns:
                rows = table.read_row_group(group, columns=columns).to_pylist()
            for index, cells in enumerate(rows):
                extra: dict[str, Any] = {
                    name: _numbers(cells.get(name), name, uri, row) for name in _SHAPES
                }
                if blob:
                    label = cells.get(place) if place else None
                    yield Source(
                        uri=f"{uri}#{label or row}",
                        version=f"{version}:{row}",
                        container=uri,
                        span=(group, index),
                        **extra,
                    )
                else:
                    yield Source(uri=beside(uri, str(cells[place or ""])), **extra)
                row += 1


def _numbers(value: Any, name: str, uri: str, row: int) -> np.ndarray | None:
    if value is None:
        return None
    shape = _SHAPES[name]
    array = np.asarray(value, dtype=np.float64)
    if array.size != np.prod(shape) or not np.isfinite(array).all():
        raise InvalidArgumentError(
            f"column {name} of {redact(uri)}, row {row}",
            expected=f"{np.prod(shape)} finite numbers",
            actual=f"{array.size}",
        )
    return array.reshape(shape)
