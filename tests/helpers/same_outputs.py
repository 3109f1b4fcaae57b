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
import torch
from safetensors import safe_open

from itportrait.errors import NoInputError

TIMES = {
    "seconds",
    "started",
    "updated",
    "committed_at",
    "cpu_seconds",
    "gpu_seconds",
    "cpu_seconds_per_1000",
    "gpu_seconds_per_1000",
    "seconds_per_1000",
    "created",
    "cost",
}
"""Columns and keys that are read off a clock."""
DRAWN = {"build", "files", "output", "bank", "uri", "config"}
"""Keys that name this very run, its folders, or files whose names are drawn anew."""
IGNORED = ("/_lease", "/mlflow.db", "/report.html", "/_builds/")
DRAWN_NAME = re.compile(r"[0-9a-f]{8,}(?=\.parquet$)")
CARD_LINES = re.compile(rb"^(Published as|\| seconds).*$|\d+ s of training", re.MULTILINE)
"""Parts of a card that name the build or a time."""


def differences(before: Path, after: Path) -> list[str]:
    """Return a line for each file that differs; empty where both folders hold the same."""
    olds, news = _files(before), _files(after)
    for root, files in ((before, olds), (after, news)):
        if not files:
            raise NoInputError(f"nothing to compare at {root}")
    found = [f"only before: {name}" for name in sorted(olds.keys() - news.keys())]
    found += [f"only after: {name}" for name in sorted(news.keys() - olds.keys())]
    for name in sorted(olds.keys() & news.keys()):
        reason = _difference(olds[name], news[name])
        if reason:
            found.append(f"{name}: {reason}")
    return found


def _files(root: Path) -> dict[str, Path]:
    """Return files by a name without what is drawn anew by every run."""
    names = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    kept = (name for name in names if not any(word in f"/{name.as_posix()}" for word in IGNORED))
    return {DRAWN_NAME.sub("*", name.as_posix()): root / name for name in kept}


def _difference(before: Path, after: Path) -> str:
    if before.suffix == ".parquet":
        return _tables_differ(before, after)
    if before.suffix == ".json":
        old, new = (_timeless(json.loads(path.read_bytes())) for path in (before, after))
        return "" if old == new else f"{_first_difference(old, new)}"
    if before.suffix == ".safetensors":
        return _weights_differ(before, after)
    old, new = (CARD_LINES.sub(b"", path.read_bytes()) for path in (before, after))
    return "" if old == new else "bytes differ"


def _weights_differ(before: Path, after: Path) -> str:
    with safe_open(before, "pt") as old, safe_open(after, "pt") as new:
        said = [_said(file.metadata() or {}) for file in (old, new)]
        if said[0] != said[1]:
            return _first_difference(*said)
        if sorted(old.keys()) != sorted(new.keys()):
            return "names of tensors"
        pairs = ((name, old.get_tensor(name), new.get_tensor(name)) for name in sorted(old.keys()))
        return next((f"tensor {name}" for name, a, b in pairs if not torch.equal(a, b)), "")


def _said(metadata: dict[str, str]) -> dict[str, Any]:
    """Return a header with its nested documents read, without times."""
    return {
        key: _timeless(json.loads(text)) if text.startswith("{") else text
        for key, text in metadata.items()
    }


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
        skipped = TIMES | DRAWN
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
    before, after = Path(sys.argv[1]), Path(sys.argv[2])
    found = differences(before, after)
    for line in found:
        print(line)
    print(f"{len(found)} differences in {len(_files(before))} files")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
