"""List and read damaged archives, tables and lists in a process of its own, and print what came.

python -m tests.ingest.fuzz_listing tar 300 0
"""

import faulthandler
import io
import json
import re
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from itportrait.errors import ItportraitError
from itportrait.ingest import list_sources, read_source
from tests.helpers.mutations import mutations

PATIENCE_S = 20
"""After which one damaged file counts as a hang: the process ends with a traceback."""
MOST_SOURCES = 20_000


def good_tars() -> list[bytes]:
    """Return archives of all forms: names long and short, links, JSON, attributes, sparse files."""
    rng = np.random.default_rng(0)
    files = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            for index in range(4):
                name = f"s{index}.v1"
                if form != tarfile.USTAR_FORMAT and index == 1:
                    name = "deep/" * 60 + name
                columns = {"landmarks": list(range(10)), "crop": [0, 0, 9.5]}
                for suffix, data in (
                    ("png", rng.bytes(300 + 200 * index)),
                    ("json", json.dumps(columns).encode()),
                ):
                    info = tarfile.TarInfo(f"{name}.{suffix}")
                    info.size = len(data)
                    if form == tarfile.PAX_FORMAT:
                        info.pax_headers = {"comment": "größe", "mtime": "1.5"}
                    archive.addfile(info, io.BytesIO(data))
            for name, kind in (("hard.png", tarfile.LNKTYPE), ("soft.png", tarfile.SYMTYPE)):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "s0.v1.png"
                archive.addfile(info)
        files.append(buffer.getvalue())
    return files


def good_tables() -> list[bytes]:
    """Return tables of bytes and of URIs, in several encodings."""
    rng = np.random.default_rng(0)
    rows = 12
    photos = [rng.bytes(200 + 10 * row) for row in range(rows)]
    extra = {
        "landmarks": [list(map(float, range(10))) if row % 3 else None for row in range(rows)],
        "camera": [[0.5] * 25 for _ in range(rows)],
    }
    tables = (
        pa.table({"image": photos}),
        pa.table({"image": [{"bytes": photo, "path": "p"} for photo in photos], **extra}),
        pa.table({"uri": [f"{row}.png" for row in range(rows)], **extra}),
    )
    files = []
    for table in tables:
        for options in (
            {"compression": "none", "use_dictionary": False},
            {"compression": "snappy"},
            {"compression": "zstd", "data_page_version": "2.0", "write_page_index": True},
        ):
            buffer = io.BytesIO()
            pq.write_table(table, buffer, row_group_size=5, **options)
            files.append(buffer.getvalue())
    return files


def good_lists() -> list[bytes]:
    """Return lists of relative names and URIs."""
    lines = ["# a comment", "0.png", " 1.png ", "s3://bucket/key.png", "", "größe.png", "/a/b.png"]
    return ["\n".join(lines).encode(), "\r\n".join(lines).encode()]


GOOD = {"tar": good_tars, "parquet": good_tables, "txt": good_lists}


def look(path: Path, good: Path, kind: str) -> Counter[str]:
    """List a damaged file beside a good one, read its inputs, and count what came.

    Raises:
        Exception: whatever is not documented, above all: the good file was lost.
    """
    found: Counter[str] = Counter()
    *sources, last = list_sources([str(path), str(good)])
    assert (last.uri, last.fault) == (str(good), None), "the good input was lost"
    assert len(sources) < MOST_SOURCES, f"{len(sources)} sources of {path.stat().st_size} bytes"
    for source in sources:
        if source.fault is not None:
            found[source.fault.type] += 1
        elif kind == "txt":
            found["listed"] += 1
        else:
            try:
                read_source(source)
                found["read"] += 1
            except (ItportraitError, OSError) as error:
                found[type(error).__name__] += 1
    return found


def peak_mb() -> int:
    """Return the most memory of this program (`ru_maxrss` would count that of its parent too)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024  # type: ignore[index]


def main(kind: str, count: int, seed: int) -> None:
    """Look at `count` damaged files and print a line of JSON."""
    found: Counter[str] = Counter()
    slowest = 0.0
    files = GOOD[kind]()
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder) / "good.png"
        good.write_bytes(b"good")
        path = Path(folder) / f"damaged.{kind}"
        for number, data in enumerate(mutations(files, count, seed)):
            path.write_bytes(data)
            faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
            began = time.monotonic()
            try:
                found += look(path, good, kind)
            except Exception as error:
                kept = Path(tempfile.gettempdir()) / f"fuzz-{kind}-{seed}-{number}.{kind}"
                kept.write_bytes(data)
                raise AssertionError(f"mutation {number} of seed {seed}, kept as {kept}") from error
            slowest = max(slowest, time.monotonic() - began)
            faulthandler.cancel_dump_traceback_later()
    about = {"found": dict(found), "slowest_s": round(slowest, 3), "peak_mb": peak_mb()}
    print(json.dumps(about))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
