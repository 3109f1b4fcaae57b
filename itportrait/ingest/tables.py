"""Parquet tables: a row an input, by URI or with its bytes, and with what it brings along."""

from collections.abc import Iterator, Mapping
from typing import Any

from itportrait.errors import DecodeError, InvalidArgumentError
from itportrait.ingest.columns import SHAPES, given_columns
from itportrait.ingest.faults import BAD_COLUMNS, UNLISTED, faulty, reason_of
from itportrait.io.uris import beside, open_fs, redact
from itportrait.photos.tables import bytes_column, holds_bytes, open_table
from itportrait.records import Source

MASK = "mask"
"""Column of masks."""
URI_COLUMNS = ("uri", "url", "path", "file_name")
_ROWS_AT_ONCE = 1024
_ROWS_PER_BYTE = 8
"""Largest believable number of rows for each byte of the file; a larger count is damaged or
forged."""


def list_table(uri: str, version: str = "") -> Iterator[Source]:
    """Stream the rows of a Parquet table; the pictures' bytes stay in it until they are read.

    A row that is misshapen is an input with a fault; so is a part of the table that is damaged.

    Args:
        uri: the table. Columns: `uri` (or `url`, `path`, `file_name`; relative ones lie beside the
            table), or encoded pictures (`image`, `bytes`, `data`, `jpg`, ...: binary, or a struct
            with `bytes`); optional `landmarks` (10 numbers), `crop` (3), `camera` (25), and `mask`
            (an encoded picture, or its URI; relative ones lie beside the table). A photo by URI
            whose cell of `mask` is empty has the mask beside it on a local disk, if one lies there.
        version: of the table.

    Raises:
        InvalidArgumentError: no column of photos.
        DecodeError: the file is no whole Parquet table.
    """
    fs, path = open_fs(uri)
    with fs.open(path, "rb") as file:
        table = _Table(uri, version, file)
        for group in range(table.file.num_row_groups):
            try:
                yield from table.rows(group)
            # Damaged pages make the reader raise nearly anything; other row groups are whole.
            except Exception as error:
                message = f"row group {group} of {redact(uri)} is damaged: {reason_of(error)}"
                yield faulty(f"{uri}#row group {group}", UNLISTED, message, version)


class _Table:
    def __init__(self, uri: str, version: str, file: Any) -> None:
        self.uri, self.version = uri, version
        self.file = open_table(file, uri)
        schema = self.file.schema_arrow
        self.size = file.seek(0, 2)
        self.place = next((name for name in URI_COLUMNS if name in schema.names), None)
        self.blob = bytes_column(schema)
        if self.place is None and not self.blob:
            raise InvalidArgumentError(
                f"table {redact(uri)}",
                expected=f"one with a column {', '.join(URI_COLUMNS)} or one of encoded pictures",
                actual=f"columns {', '.join(schema.names)}",
            )
        names = (self.place, *SHAPES, MASK)
        self.columns = [name for name in names if name in schema.names]
        self.masks_inside = MASK in schema.names and holds_bytes(schema.field(MASK).type)
        if self.masks_inside:
            self.columns.remove(MASK)  # they stay in the table until they are read
        self.first = 0
        """Number of the next row group's first row in the table."""

    def rows(self, group: int) -> Iterator[Source]:
        """Stream the rows of a row group."""
        about = self.file.metadata.row_group(group)
        first, self.first = self.first, self.first + about.num_rows
        if not 0 <= about.num_rows <= self.size * _ROWS_PER_BYTE:
            raise DecodeError(f"{about.num_rows} rows in a file of {self.size} bytes")
        for index, cells in enumerate(self._cells(group, about.num_rows)):
            yield self._source(cells, first + index, (group, index))

    def _cells(self, group: int, count: int) -> Iterator[Mapping[str, Any]]:
        """Yield the cells of each row of a group that the listing needs."""
        if not self.columns:
            for _ in range(count):
                yield {}
            return
        found = 0
        for batch in self.file.iter_batches(
            _ROWS_AT_ONCE, row_groups=[group], columns=self.columns
        ):
            found += batch.num_rows
            yield from batch.to_pylist()
        if found != count:
            raise DecodeError(f"{found} of {count} rows could be read")

    def _source(self, cells: Mapping[str, Any], row: int, span: tuple[int, int]) -> Source:
        label = cells.get(self.place) if self.place else None
        name = f"{self.uri}#{label or row}"
        version = f"{self.version}:{row}"
        place = {"container": self.uri, "span": span}
        if not self.blob and not (isinstance(label, str) and label):
            message = f"row {row} of {redact(self.uri)} has no {self.place}, but {label!r}"
            return faulty(f"{self.uri}#{row}", BAD_COLUMNS, message, version, **place)
        try:
            given = given_columns(cells, f"row {row} of {redact(self.uri)}")
            given["mask"] = self._mask(cells.get(MASK), row, {**place, "version": version})
        except InvalidArgumentError as error:
            name = name if self.blob else beside(self.uri, str(label))
            return faulty(name, BAD_COLUMNS, str(error), version, **place)
        if self.blob:
            return Source(uri=name, version=version, **place, **given)
        return Source(uri=beside(self.uri, str(label)), **given)

    def _mask(self, value: Any, row: int, place: dict[str, Any]) -> Source | None:
        """Return where the mask of a row is; None where it has none."""
        if self.masks_inside:
            return Source(uri=f"{self.uri}#{row}.{MASK}", column=MASK, **place)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise InvalidArgumentError(
                f"{MASK} of row {row} of {redact(self.uri)}",
                expected="an encoded picture, its URI, or an empty cell",
                actual=repr(value) if isinstance(value, str) else f"a {type(value).__name__}",
            )
        return Source(uri=beside(self.uri, value))
