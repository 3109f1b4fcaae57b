"""The lines of `docs/data.md` that read a table, and what they find in each table of an output."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from itportrait.io.parquet import BLOB_SCHEMA, pixel_schema, record_schema
from itportrait.stages.registry import CHAIN, stage_named
from tests.conftest import REPOSITORY

SHOWN = "OUT/stylized/records"
COUNT: dict[str, Callable[[Any], int]] = {
    "pq": lambda table: table.num_rows,
    "pd": len,
    "duckdb": lambda found: found.shape[0],
    "pl": lambda frame: frame.height,
    "datasets": lambda found: found.num_rows,
}
"""How each library counts the rows of what it has read."""
COLUMNS: dict[str, Callable[[Any], list[str]]] = {
    "pq": lambda table: table.column_names,
    "datasets": lambda found: found.column_names,
}


def shown_lines() -> tuple[list[str], list[str]]:
    """Return the page's imports, and its lines that read a table and run without a cluster."""
    page = (REPOSITORY / "docs" / "data.md").read_text()
    lines = [
        line
        for block in re.findall(r"```python\n(.*?)```", page, re.S)
        for line in block.split("\n")
    ]
    imports = [line for line in lines if line.startswith("import ")]
    return imports, [line for line in lines if SHOWN in line and not line.startswith("spark")]


def tables_of(output: Path) -> Iterator[tuple[Path, pa.Schema]]:
    """Yield the folder of every table that an output has, with its documented columns."""
    for stage in map(stage_named, CHAIN):
        schemas = {"records": record_schema(stage.record_type)}
        schemas |= {"pixels": pixel_schema(stage.record_type)}
        schemas |= dict.fromkeys(("weights", "fitted"), BLOB_SCHEMA)
        for name, schema in schemas.items():
            if (output / stage.folder / name).exists():
                yield output / stage.folder / name, schema


def check_readers(output: Path, rows: dict[str, int], cache: Path) -> None:
    """Read every table of an output by every line, and check rows and columns.

    Args:
        output: folder of the output.
        rows: number of rows that its tables have, by their path in the output.
        cache: folder for what `datasets` keeps.
    """
    imports, lines = shown_lines()
    known: dict[str, Any] = {}
    for line in imports:
        exec(line, known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known["datasets"].config, "HF_DATASETS_CACHE", str(cache))
        patch.setattr(known["datasets"].config, "HF_HUB_OFFLINE", True)
        found = {}
        for folder, schema in tables_of(output):
            name = folder.relative_to(output).as_posix()
            for line in lines:
                library = line.partition(".")[0]
                table = eval(line.replace(SHOWN, str(folder)), known)
                columns = COLUMNS.get(library, lambda table: table.columns)(table)
                assert set(columns) - {"style"} == set(schema.names), (name, line)
                found.setdefault(name, []).append(COUNT[library](table))
        assert found == {name: [count] * len(lines) for name, count in rows.items()}
