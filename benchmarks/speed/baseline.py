"""Ratios of a stored run, and which of them a new run has lost."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.speed.measure import Row

MOST_LOST = 0.15
"""Share of a ratio that may be lost: what a busy machine moves a median by."""


def stored_ratios(path: Path) -> dict[str, float]:
    """Return the ratios of a stored run by the actions' names."""
    return {row["name"]: row["ratio"] for row in json.loads(path.read_text())["rows"]}


def losses(rows: Iterable[Row], stored: dict[str, float]) -> list[str]:
    """Return a line for each action that lost more than its share against the stored ratio."""
    return [
        f"{row.name}: {row.ratio:.2f} times the reference, {stored[row.name]:.2f} before"
        for row in rows
        if row.name in stored and row.ratio < (1 - MOST_LOST) * stored[row.name]
    ]


def merged(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a run with the rows that a stored one has besides, in the stored order."""
    new = {row["name"]: row for row in found["rows"]}
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [new.pop(row["name"], row) for row in before]
    return found | {"rows": [*rows, *new.values()]}
