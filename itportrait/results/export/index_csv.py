"""`index.csv`: the parts of an export's index as one file, for spreadsheets."""

import csv
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from itportrait.io import uris
from itportrait.io.stores import patient
from itportrait.results.export.row import index_schema

INDEX = "index.csv"


def put_index_csv(root: str, parts: Sequence[str]) -> None:
    """Write the file from the parts, with one of them in memory at a time.

    Args:
        root: folder or URI of the export.
        parts: paths of the parts below it, in order.
    """
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(index_schema().names)
        for part in parts:
            data = uris.read_bytes(uris.join(root, part))
            rows = pq.read_table(io.BytesIO(data)).to_pylist()
            writer.writerows(list(row.values()) for row in rows)
        file.flush()
        _put_file(uris.join(root, INDEX), file.name)


@patient
def _put_file(uri: str, local: str) -> None:
    """Write a copy of a local file, whole or not at all, replacing an existing one."""
    fs, path = uris.open_fs(uri)
    with uris.writing(uri):
        if not isinstance(fs, LocalFileSystem):
            fs.put_file(local, path)
            return
        temporary = Path(path).parent / f".{INDEX}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            shutil.copyfile(local, temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
