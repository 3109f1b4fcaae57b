"""Whether two output folders or banks hold the same, byte for byte, apart from times and dates.

    python -m tests.helpers.same_outputs BEFORE AFTER

For changes that must not change what the product makes: run the same command with the code before
and after, on the same inputs, and compare. Tables are compared column by column and documents key
by key, so that only what is measured with a clock is left out; all else is compared as bytes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TIMES = {
    "seconds",
    "started",
    "created",
    "cpu_seconds",
    "gpu_seconds",
    "cpu_hours",
    "gpu_hours",
    "written",
    "date",
    "cost",
    "per_portrait",
    "seconds_per_1000",
    "timings",
}
"""Columns and keys that are read off a clock."""
NAMED_BY_TIME = {"files", "pages", "output", "bank", "uri", "config"}
"""Keys that name folders of the run, or files whose names are drawn anew."""
IGNORED = ("_lease", "mlflow", "report.html", "MLproject")
DRAWN_NAME = re.compile(r"[0-9a-f]{8,}(?=\.parquet$)")


def differences(before: Path, after: Path) -> list[str]:
    """Return a line for each file that differs; empty where both folders hold the same."""
    olds, news = _files(before), _files(after)
    found = [f"only before: {name}" for name in sorted(olds.keys() - news.keys())]
    found += [f"only after: {name}" for name in sorted(news.keys() - olds.keys())]
    for name in sorted(olds.keys() & news.keys()):
        reason = _difference(olds[name], news[name])
        if reason:
            found.append(f"{name}: {reason}")
    return found


def _files(root: Path) -> dict[str, Path]:
    """Return files by a name without what is drawn anew by every run."""
    paths = (path for path in sorted(root.rglob("*")) if path.is_file())
    kept = (path for path in paths if not any(word in str(path) for word in IGNORED))
    return {DRAWN_NAME.sub("*", path.relative_to(root).as_posix()): path for path in kept}


def _difference(before: Path, after: Path) -> str:
    if before.suffix == ".parquet":
        return _tables_differ(before, after)
    if before.suffix == ".json":
        old, new = (_timeless(json.loads(path.read_bytes())) for path in (before, after))
        return "" if old == new else f"{_first_difference(old, new)}"
    return "" if before.read_bytes() == after.read_bytes() else "bytes differ"


def _tables_differ(before: Path, after: Path) -> str:
    old, new = pq.read_table(before), pq.read_table(after)
    if old.schema.names != new.schema.names:
        return f"columns {sorted(set(old.schema.names) ^ set(new.schema.names))}"
    for name in old.schema.names:
        if name not in TIMES and not old[name].equals(new[name]):
            return f"column {name}"
    return ""


def _timeless(value: Any) -> Any:
    """Return a document without times, and without the folders that the run was told."""
    if isinstance(value, dict):
        skipped = TIMES | NAMED_BY_TIME
        return {key: _timeless(item) for key, item in value.items() if key not in skipped}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _first_difference(old: Any, new: Any, path: str = "") -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                return _first_difference(old.get(key), new.get(key), f"{path}.{key}")
    return f"{path}: {old!r} -> {new!r}"[:200]


def main() -> int:
    """Print what differs; exit with 1 where something does."""
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    for line in found:
        print(line)
    print(f"{len(found)} differences")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
