"""Rows of a comparison as Parquet: those of a cell's portraits, and the two tables of all cells."""

import io
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from itportrait.comparison.names import PORTRAIT_METRICS
from itportrait.errors import InvalidArgumentError
from itportrait.io import uris

VIEWS = "views"
_METRICS = [pa.field(name, pa.float64()) for name in PORTRAIT_METRICS]
_PORTRAIT = [
    pa.field("portrait", pa.string(), nullable=False),
    pa.field("record_id", pa.string(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("error", pa.string()),
    *_METRICS,
]
_CELL = [
    pa.field("label", pa.string(), nullable=False),
    pa.field("domain", pa.string(), nullable=False),
    pa.field("seed", pa.int64(), nullable=False),
    pa.field("method", pa.string(), nullable=False),
    pa.field("mode", pa.string(), nullable=False),
]
PART_SCHEMA = pa.schema([*_PORTRAIT, pa.field(VIEWS, pa.list_(pa.binary()))])
"""Portraits of one task: their metrics, and their views as PNG, the own view first."""
FITS_SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
    ]
)
"""What a style has fitted to the portraits of one task."""
PORTRAITS_SCHEMA = pa.schema([*_CELL, *_PORTRAIT])
"""Table `OUT/portraits`: one row a label, domain, seed and portrait."""
SCORES_SCHEMA = pa.schema(
    [
        pa.field("label", pa.string(), nullable=False),
        pa.field("domain", pa.string()),
        pa.field("seed", pa.int64()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("difference", pa.float64()),
        pa.field("difference_low", pa.float64()),
        pa.field("difference_high", pa.float64()),
        pa.field("best", pa.bool_()),
    ]
)
"""Table `OUT/scores`: one row a label, domain, seed and metric. Rows without a domain are over all
domains, and rows without a seed over all seeds. `difference` is the value minus the reference
method's on the same portraits and seeds; `best` tells whether the value is the best of its column,
or not certainly worse than the best; of the others it is null where no interval decides it."""
PART = "part-00000.parquet"


def encode_table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> bytes:
    """Return a Parquet file of the rows; the same rows give the same bytes.

    Raises:
        InvalidArgumentError: a row has a name for which the schema has no column.
    """
    if unknown := {name for row in rows for name in row}.difference(schema.names):
        raise InvalidArgumentError(
            "rows",
            expected=f"columns of {', '.join(schema.names)}",
            actual=", ".join(sorted(unknown)),
            remedy="metrics are named in itportrait.comparison.names",
        )
    finite = [{name: _finite(value) for name, value in row.items()} for row in rows]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(finite, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decode_table(data: bytes, *, without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file, without some of the columns.

    Raises:
        pyarrow.ArrowInvalid: the file is truncated or not Parquet.
    """
    file = pq.ParquetFile(io.BytesIO(data))
    names = [name for name in file.schema_arrow.names if name not in without]
    return file.read(columns=names).to_pylist()


def write_table(output: str, name: str, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> str:
    """Write one of the two tables of a comparison in one piece, and return its URI."""
    uri = uris.join(output, name, PART)
    uris.put_bytes(uri, encode_table(rows, schema))
    return uri


def read_table(output: str, name: str, schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the rows of one of the two tables of a comparison."""
    data = uris.read_bytes(uris.join(output, name, PART))
    return pq.read_table(io.BytesIO(data), columns=schema.names).to_pylist()
