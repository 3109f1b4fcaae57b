"""Rewrite docs/data.md, every column of every table, from the records' docstrings: `make data`."""

import sys
from pathlib import Path

import pyarrow as pa

from itportrait import records
from itportrait.io.commits import Commit
from itportrait.io.parquet import BLOB_SCHEMA, pixel_schema, record_schema
from itportrait.results.export.card import field_docstrings
from itportrait.results.export.row import ExportRow, index_schema

PAGE = Path(__file__).parent / "data.md"
TABLES = {
    "aligned": (records.AlignedRecord, ("pixels",)),
    "inverted": (records.InvertedRecord, ("pixels", "weights")),
    "stylized": (records.StylizedRecord, ("pixels", "fitted")),
}
"""Folders of an output, the type of their rows, and the tables beside `records`."""
KEY = "Digest of all that the row was computed from: an equal key means an equal result."
APART = {
    "record_id": "The row of `records` that it belongs to.",
    "uri": "Path or URI of the photo, without passwords, as it was when the row was written; of "
    "several equal photos the first. Null where an earlier release made the row.",
    "domain": "Name of the style domain.",
    "view": "Number of the picture: 0 is the input's own view, or the only one; in `stylized`, 1 "
    "and more are those of `stylize.views_deg`, in their order.",
    "yaw_deg": "Yaw of the picture's camera, in degrees: 0 from the front; positive moves the "
    "camera to +x, which shows more of the person's left side. Null where an earlier release made "
    "the row.",
    "pitch_deg": "Pitch of the picture's camera, in degrees: 0 level; positive moves the camera "
    "down, below the face. Null where an earlier release made the row.",
    "format": "Encoding of the data: `png`, `jpeg` or `webp` in `pixels`, `safetensors` in "
    "`weights`, `style` in `fitted`, which the style's own kind knows.",
    "data": "The encoded picture or file.",
    "mask": "Gray PNG of the picture's size: 255 where it shows the portrait, 0 beyond the photo's "
    "border and where a given mask hides it. Null where nothing is hidden.",
}
INTRODUCTION = """\
# The data

Every table of an output, by column. This page is made from the docstrings of
`itportrait/records.py` by `make data`.

A table is a folder of Parquet files, so that one read of one folder is one table, here
`OUT/stylized/records` and likewise each of the others:

```python
import datasets, duckdb, pandas as pd, polars as pl, pyarrow.parquet as pq

pq.read_table("OUT/stylized/records")
pd.read_parquet("OUT/stylized/records")
duckdb.sql("SELECT * FROM 'OUT/stylized/records/**/*.parquet'")
pl.read_parquet("OUT/stylized/records/**/*.parquet")
datasets.load_dataset("parquet", data_dir="OUT/stylized/records", split="train")
spark.read.parquet("OUT/stylized/records")
```

`OUT/aligned` and `OUT/inverted` hold `records`, `pixels` and (`inverted`, where portraits have
some) `weights`. `OUT/stylized` holds `records`, `pixels` and (where a style fits something to a
portrait) `fitted`, each with a folder `style=NAME` for every domain. Readers that know such folders
add a column `style`, which is equal to `domain`; `filters=[("style", "=", "bronze")]` reads one
domain's files alone. Rows of several tables are joined on `record_id`.

What counts is what the markers in `_commits` name, one a shard. While a job runs, a folder may also
hold files of attempts that were lost: read it when the job has ended. Outputs of release 0.1 keep
the tables of a domain in `OUT/stylized/domain=NAME/`. They are read and resumed where they lie, and
what is computed again is written to the new place. Tables that an earlier release began and this
one went on with have files of fewer columns: `union_by_name=true` (duckdb),
`missing_columns="insert"` (polars) and `pq.read_table(…, schema=…)` read them as one.

No command moves what release 0.1 wrote, because nothing of the program needs it and one line reads
it: the first three of these also where this release went on with the output, and so at both places,
the last where it did not.

```python
old = "OUT/stylized/**/records/**/*.parquet"
pl.read_parquet(old, missing_columns="insert", hive_partitioning=False)
pq.read_table(glob.glob(old, recursive=True), partitioning=None)
datasets.load_dataset("parquet", data_files=old, split="train")
duckdb.sql("SELECT * FROM 'OUT/stylized/domain=*/records/*.parquet'")
```
"""
EXPORT = """\
## Exports

`itportrait export OUT FOLDER --to files|webdataset|datasets` writes the stylized pictures with a
row each: in `FOLDER/index.csv` and the table `FOLDER/index` (`files`, `webdataset`), beside each
picture of a tar file as `KEY.json` (`webdataset`), or beside the column `image` of
`FOLDER/data/train-*.parquet` (`datasets`).
"""

SIZES = """\
## How large films and surfaces are

Of one portrait in one style, by the embedded family (renders of 128 pixels, films of 3 seconds and
48 frames, strength and `from_NAME` of 36), in MB: the smallest and the largest of the demo's three
styles, and of the 27 films in its gallery. A family of 512 pixels shows 16 times as many; how large
its files are has not been measured.

| file | MB |
| --- | --- |
| `gallery/turntable_NAME.mp4` | 0.03 to 0.06; 1.1 for all nine portraits in three styles |
| `gallery/index.html`, with every view, and frames to turn portraits | 2.6 for the same; 0.1 each |
| `deliverables/…/turntable.mp4`, `.webp` | 0.03 to 0.05, 0.07 to 0.12 |
| `deliverables/…/strength.mp4`, `.webp` | 0.02 to 0.03, 0.05 to 0.08 |
| `deliverables/…/from_NAME.mp4` | 0.01 to 0.03 |
| `deliverables/…/depth.png` | 0.002 |
| `mesh.glb` with a texture, there or in `gallery`; pages hold the latter | 0.56 to 0.59 |
| `mesh.glb` without, `.ply`, `.obj` (160 a side) | 4.1 to 4.5, 4.2 to 4.7, 15 to 16 |
"""


def rows_of(schema: pa.Schema, meanings: dict[str, str]) -> str:
    """Return a Markdown table of the columns of a schema.

    Raises:
        SystemExit: a column has no meaning; names it.
    """
    lines = ["| column | type | meaning |", "| --- | --- | --- |"]
    for field in schema:
        if field.name not in meanings:
            sys.exit(f"column {field.name!r} is not described; write a docstring below its field")
        optional = " or null" if field.nullable else ""
        kind = "text" if pa.types.is_string(field.type) else str(field.type)
        if pa.types.is_list(field.type):
            kind = f"list of {field.type.value_type}"
        if pa.types.is_struct(field.type):
            kind = f"struct of {', '.join(inner.name for inner in field.type)}"
        lines.append(f"| `{field.name}` | {kind}{optional} | {_cell(meanings[field.name])} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION]
    for folder, (kind, apart) in TABLES.items():
        meanings = {"input_key": KEY, **field_docstrings(kind)}
        columns = rows_of(record_schema(kind), meanings)
        parts.append(f"## {folder}/records\n\n{kind.__doc__}\n\n{columns}\n")
        parts.append(f"Beside it: {', '.join(f'`{folder}/{name}`' for name in apart)}.\n")
    for folder, (kind, _) in TABLES.items():
        columns = rows_of(pixel_schema(kind), APART)
        parts.append(f"## {folder}/pixels\n\nEncoded pictures, a row each.\n\n{columns}\n")
    parts.append(f"## weights, fitted\n\nFiles, a row each.\n\n{rows_of(BLOB_SCHEMA, APART)}\n")
    columns = rows_of(index_schema(), field_docstrings(ExportRow))
    parts.append(f"{EXPORT}\n{columns}\n")
    said = field_docstrings(Commit)
    fields = "\n".join(f"| `{name}` | {_cell(said[name])} |" for name in said)
    head = "## _commits\n\nA JSON file a shard, which names the files that count.\n\n"
    parts.append(f"{head}| key | meaning |\n| --- | --- |\n{fields}\n")
    parts.append(SIZES)
    return "\n".join(parts)


def main() -> int:
    """Rewrite the page, or with `--check` say whether it is up to date."""
    text = page()
    stale = not PAGE.exists() or PAGE.read_text() != text
    if "--check" in sys.argv:
        if stale:
            print("docs/data.md does not follow the records; run `make data`")
        return int(stale)
    if stale:
        PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
