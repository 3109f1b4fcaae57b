"""Records, pixels and weights as Parquet: schemas from the record types, rows to bytes and back.

Up to three tables a shard: `records` (nothing large, so that a million rows are read in seconds),
`pixels` (record_id, view, its camera's angles, the photo's URI, encoded picture), and,
where a stage has them, `weights` (record_id, what the portrait changes in the generator's weights)
or `fitted` (record_id, what a style has fitted to the portrait). A file is built in memory,
checked, and put in one piece.
"""

import dataclasses
import io
import json
import math
import types
import typing
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from itportrait.errors import InvalidArgumentError
from itportrait.image import decode, encode
from itportrait.records import Record, RecordError, Status
from itportrait.text import shown

SCHEMA_VERSION = 1
"""Number in the metadata of every file; it is raised when a column changes its meaning."""
METADATA_KEY = b"itportrait"
_ARRAY_LENGTHS = {"landmarks": 10, "camera": 25, "crop": 3}
_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_ERROR = pa.struct([(name, pa.string()) for name in ("stage", "type", "message")])
_RECORD_ROWS_PER_GROUP, _PIXEL_ROWS_PER_GROUP = 8192, 128

_PIXEL_FIELDS = (
    pa.field("record_id", pa.string(), nullable=False),
    pa.field("uri", pa.string()),
    pa.field("domain", pa.string(), nullable=False),
    pa.field("view", pa.int32(), nullable=False),
    pa.field("yaw_deg", pa.float32()),
    pa.field("pitch_deg", pa.float32()),
    pa.field("format", pa.string(), nullable=False),
    pa.field("data", pa.binary(), nullable=False),
    pa.field("mask", pa.binary()),
)
_OF_SOME = ("domain", "mask")
"""Columns of the pixels table of those records that have such a field."""

BLOB_SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
    ]
)
BLOBS = {"weights": "safetensors", "fitted": "style"}
"""Fields of records that are bytes, each with a table of its name, and what the table says of their
format: `style` is known to the kind of style alone."""
APART = ("pixels", *BLOBS)
"""Fields of records that have a table of their own."""
_NO_COLUMNS = (*APART, "mask")


@dataclass(frozen=True)
class Row:
    """A record, and the key of everything that it was computed from: an equal key means an equal
    result."""

    key: str
    record: Record
    pictures: tuple[bytes, ...] = dataclasses.field(default=(), repr=False)
    """The record's pictures as a table held them, still encoded: a row that is kept keeps every
    byte of them."""


@dataclass(frozen=True)
class PixelFormat:
    """How pictures are encoded in the pixels tables."""

    kind: str = "png"
    quality: int = 92


def record_schema(
    record_type: type[Record], *, metadata: dict[str, Any] | None = None
) -> pa.Schema:
    """Return the Arrow schema of a record type.

    Args:
        record_type: dataclass whose fields become columns, but for those in `APART` and masks.
        metadata: schema version, stage and fingerprints, kept under the key `itportrait`.

    Convention: vectors (camera [25], landmarks [10], w_plus [num_ws * w_dim]) are plain lists.
        pyarrow writes fixed-size ones with nulls, as rejected rows have, but cannot read them back.
    """
    hints = typing.get_type_hints(record_type)
    columns = [pa.field("input_key", pa.string(), nullable=False)]
    for field in dataclasses.fields(record_type):
        if field.name not in _NO_COLUMNS:
            columns.append(column_of(field.name, hints[field.name]))
    stored = {"schema_version": SCHEMA_VERSION, **(metadata or {})}
    return pa.schema(columns, metadata={METADATA_KEY: json.dumps(stored, sort_keys=True).encode()})


def column_of(name: str, hint: Any) -> pa.Field:
    """Return the column of a record's field, by its type."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    nullable = type(None) in options
    kind = next(option for option in options if option is not type(None))
    if kind is RecordError:
        return pa.field(name, _ERROR)
    if kind is Status:
        return pa.field(name, pa.string(), nullable=False)
    if kind is np.ndarray:
        return pa.field(name, pa.list_(pa.float32()))
    if kind not in _SCALARS:
        raise InvalidArgumentError(
            f"record field {name}", expected="str, int, float, bool or ndarray", actual=str(hint)
        )
    return pa.field(name, _SCALARS[kind], nullable=nullable)


def encode_records(rows: Sequence[Row], schema: pa.Schema) -> bytes:
    """Return a Parquet file of the rows; the same rows give the same bytes."""
    columns = []
    for field in schema:
        if field.name == "input_key":
            columns.append(pa.array([row.key for row in rows], field.type))
        else:
            values = [_plain(field.name, getattr(row.record, field.name)) for row in rows]
            columns.append(pa.array(values, field.type))
    floats = [field.name for field in schema if pa.types.is_list(field.type)]
    return _write(
        pa.Table.from_arrays(columns, schema=schema),
        _RECORD_ROWS_PER_GROUP,
        use_dictionary=[name for name in ("status", "domain", "version") if name in schema.names],
        column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in floats},
    )


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        vector = np.ascontiguousarray(value, dtype=np.float32).reshape(-1)
        if len(vector) != _ARRAY_LENGTHS.get(name, len(vector)):
            raise InvalidArgumentError(
                f"record field {name}",
                expected=f"{_ARRAY_LENGTHS[name]} numbers",
                actual=len(vector),
            )
        return vector
    if isinstance(value, RecordError):
        return {name: shown(part) for name, part in dataclasses.asdict(value).items()}
    if isinstance(value, np.generic):
        return value.item()
    return _text_or(value)


def _text_or(value: Any) -> Any:
    """Return a value as a table can hold it: of texts, what is valid."""
    return shown(str(value)) if isinstance(value, str) else value


def pixel_schema(record_type: type[Record]) -> pa.Schema:
    """Return the Arrow schema of the pixels table of a record type: the same in all shards."""
    known = {field.name for field in dataclasses.fields(record_type)}
    return pa.schema([f for f in _PIXEL_FIELDS if f.name in known or f.name not in _OF_SOME])


def encode_pixels(
    rows: Iterable[Row], record_type: type[Record], pixel_format: PixelFormat
) -> bytes | None:
    """Return a Parquet file of all pictures of the rows, or None if there is none."""
    schema = pixel_schema(record_type)
    pictures: list[dict[str, Any]] = []
    for row in rows:
        about, mask = vars(row.record), getattr(row.record, "mask", None)
        for view, data in enumerate(row.pictures or _encoded(row.record, pixel_format)):
            own = {"view": view, "format": pixel_format.kind, "data": data}
            own["mask"] = None if mask is None or view else encode(mask)
            pictures.append({**about, **own, **_angles(about, view)})
    if not pictures:
        return None
    columns = {name: [_text_or(item.get(name)) for item in pictures] for name in schema.names}
    # Pictures are compressed already, and statistics of blobs would copy them into the footer.
    return _write(
        pa.Table.from_pydict(columns, schema=schema),
        _PIXEL_ROWS_PER_GROUP,
        use_dictionary=[name for name in ("uri", "domain") if name in schema.names],
        write_statistics=["record_id", "view"],
        compression={name: "NONE" if name in ("data", "mask") else "ZSTD" for name in schema.names},
    )


def _angles(about: Mapping[str, Any], view: int) -> dict[str, float | None]:
    """Return yaw and pitch of a picture in degrees, as far as its record says them."""
    if about.get("yaw_deg") is not None:
        known = {name: about[name] for name in ("yaw_deg", "pitch_deg")}
        return {name: views[view] if view < len(views) else None for name, views in known.items()}
    found = [("yaw_deg", about.get("yaw_rad")), ("pitch_deg", about.get("pitch_rad"))]
    return {name: math.degrees(value) for name, value in found if value is not None}


def encode_blobs(rows: Iterable[Row], field: str) -> bytes | None:
    """Return a Parquet file of a field in `BLOBS` of all rows that have it, or None if none has."""
    found = [(row.record.record_id, getattr(row.record, field, None)) for row in rows]
    found = [(record_id, data) for record_id, data in found if data is not None]
    if not found:
        return None
    columns = {
        "record_id": [record_id for record_id, _ in found],
        "format": [BLOBS[field]] * len(found),
        "data": [data for _, data in found],
    }
    # Half-precision numbers hardly compress, and statistics of blobs would copy them.
    return _write(
        pa.Table.from_pydict(columns, schema=BLOB_SCHEMA),
        _PIXEL_ROWS_PER_GROUP,
        use_dictionary=False,
        write_statistics=["record_id"],
        compression={"data": "NONE", "record_id": "ZSTD", "format": "ZSTD"},
    )


def _encoded(record: Record, pixel_format: PixelFormat) -> Iterator[bytes]:
    pixels = getattr(record, "pixels", None)
    views = () if pixels is None else pixels if isinstance(pixels, tuple) else (pixels,)
    for picture in views:
        yield encode(picture, pixel_format.kind, pixel_format.quality)


def _write(table: pa.Table, rows_per_group: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(
        table, buffer, row_group_size=rows_per_group, **{"compression": "zstd", **options}
    )
    return buffer.getvalue()


def decode_records(
    data: bytes,
    record_type: type[Record],
    pictures: dict[str, list[bytes]] | None = None,
    blobs: Mapping[str, dict[str, bytes]] | None = None,
    masks: dict[str, bytes] | None = None,
    *,
    keys: Container[str] | None = None,
) -> list[Row]:
    """Return the rows of a records file.

    Args:
        data: content of the file.
        record_type: type that the rows become; columns it does not know are ignored.
        pictures: encoded, by record_id, in the order of the views, from `read_pictures`.
        blobs: by field and record_id, from `read_blobs`.
        masks: by record_id, from `read_masks`.
        keys: of the rows that are wanted; None: all. Pictures of others are not decoded.

    Raises:
        pyarrow.ArrowInvalid: the file is truncated or not Parquet.
    """
    names = {field.name for field in dataclasses.fields(record_type)}
    hints = typing.get_type_hints(record_type)
    several = "pixels" in hints and typing.get_origin(hints["pixels"]) is tuple
    rows = []
    for item in pq.read_table(io.BytesIO(data)).to_pylist():
        if keys is not None and item["input_key"] not in keys:
            continue
        values = {name: _rich(name, value) for name, value in item.items() if name in names}
        views = (pictures or {}).get(item["record_id"], [])[: None if several else 1]
        if views:
            decoded = tuple(decode(view) for view in views)
            values["pixels"] = decoded if several else decoded[0]
        if views and masks and item["record_id"] in masks:
            values["mask"] = decode(masks[item["record_id"]], "L")
        for name, found in (blobs or {}).items():
            if item["record_id"] in found:
                values[name] = found[item["record_id"]]
        rows.append(Row(item["input_key"], record_type(**values), tuple(views)))
    return rows


def read_columns(file: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return some columns of an open records file, one mapping a row, as plain values.

    Args:
        file: binary, seekable; no more of it is read than these columns.
        names: of the columns; one that an older file lacks gives None.

    Raises:
        pyarrow.ArrowInvalid: the file is truncated or not Parquet.
    """
    table = pq.ParquetFile(file)
    known = [name for name in names if name in table.schema_arrow.names]
    rows = table.read(columns=known).to_pylist()
    return [{**dict.fromkeys(names), **row} for row in rows]


def count_row_groups(file: Any) -> int:
    """Return the number of row groups of an open Parquet file; only its footer is read."""
    return pq.ParquetFile(file).num_row_groups


def read_picture_group(
    file: Any, group: int, names: Sequence[str] = ("record_id", "data")
) -> list[tuple[Any, ...]]:
    """Return some columns of one row group of an open pixels file, one tuple a picture.

    Args:
        file: binary, seekable; no more of it is read than these columns of this row group.
        group: number of the row group.
        names: of the columns; one that an older file lacks gives None.

    Raises:
        pyarrow.ArrowInvalid: the file is truncated or not Parquet.
    """
    # Columns that a file lacks are left out by the reader.
    rows = pq.ParquetFile(file).read_row_group(group, columns=list(names)).to_pylist()
    return [tuple(row.get(name) for name in names) for row in rows]


def _rich(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return np.asarray(value, dtype=np.float32)
    if name == "error" and value is not None:
        return RecordError(**value)
    return Status(value) if name == "status" else value


def read_pictures(data: bytes) -> dict[str, list[bytes]]:
    """Return the encoded pictures of a pixels file by record_id, ordered by view."""
    pictures: dict[str, list[bytes]] = {}
    for item in pq.read_table(io.BytesIO(data), columns=["record_id", "view", "data"]).to_pylist():
        pictures.setdefault(item["record_id"], []).append(item["data"])
    return pictures


def read_masks(data: bytes) -> dict[str, bytes]:
    """Return the encoded masks of a pixels file by record_id; former files may lack the column."""
    file = pq.ParquetFile(io.BytesIO(data))
    if "mask" not in file.schema_arrow.names:
        return {}
    items = file.read(columns=["record_id", "mask"]).to_pylist()
    return {item["record_id"]: item["mask"] for item in items if item["mask"] is not None}


def read_blobs(data: bytes) -> dict[str, bytes]:
    """Return what the rows of a file of `encode_blobs` hold, by record_id."""
    table = pq.read_table(io.BytesIO(data), columns=["record_id", "data"])
    return {item["record_id"]: item["data"] for item in table.to_pylist()}


def check_footer(tail: bytes, size: int, rows: int) -> None:
    """Check what came back of a file that was put.

    Args:
        tail: its last bytes, the whole footer included.
        size: bytes the store says it has.
        rows: rows it must hold.

    Raises:
        OSError: the footer does not parse, or tells of other rows: put it again.
    """
    if size < 12 or tail[-4:] != b"PAR1":
        raise OSError(f"the file that came back is no Parquet file ({size} bytes)")
    length = int.from_bytes(tail[-8:-4], "little")
    if len(tail) < length + 8:
        raise OSError(f"the footer of {length} bytes came back truncated to {len(tail)}")
    # A footer alone parses as a file that begins with the magic number.
    found = pq.read_metadata(io.BytesIO(b"PAR1" + tail[-(length + 8) :])).num_rows
    if found != rows:
        raise OSError(f"the file that came back has {found} rows in place of {rows}")
