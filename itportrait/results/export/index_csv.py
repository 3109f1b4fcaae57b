"""`index.csv`: the parts of an export's index as one file, for spreadsheets."""

import csv
import io
import tempfile
from collections.abc import Sequence

import pyarrow.parquet as pq

from itportrait.io import uris
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
        uris.put_file(uris.join(root, INDEX), file.name)
