"""What a comparison leaves at its end: two tables, run.json, and a table for people."""

import datetime as dt
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

import itportrait
from itportrait.bundle.model_id import bundle_key
from itportrait.comparison.aggregate import portrait_rows, score_rows
from itportrait.comparison.config import ComparisonConfig
from itportrait.comparison.portraits import PortraitSet
from itportrait.comparison.run import CellResult
from itportrait.comparison.tables import (
    PART,
    PORTRAITS_SCHEMA,
    SCORES_SCHEMA,
    read_table,
    write_table,
)
from itportrait.config import fingerprint
from itportrait.io import uris
from itportrait.records import Status
from itportrait.terminal import make_table
from itportrait.tracking import Backlog

RUN, PAGE = "run.json", "index.html"
SCORES, PORTRAITS = "scores", "portraits"
VERSION = 3
"""Version of the code that makes tables and page; it is raised when they change."""


@dataclass(frozen=True)
class ComparisonReport:
    """All that a comparison has found."""

    config: ComparisonConfig
    model_id: str
    portraits: PortraitSet
    results: Sequence[CellResult]
    seconds: float

    @property
    def failed(self) -> list[CellResult]:
        """Return the cells without scores."""
        return [result for result in self.results if result.scores is None]

    @property
    def digest(self) -> str:
        """Return a digest of everything that the tables and the page are made from."""
        cells = [
            [str(r.cell), r.planned.mode, r.scores.fingerprint if r.scores else r.reason]
            for r in self.results
        ]
        shown = self.config.model_dump(mode="json", exclude={"train", "adaptation", "output"})
        portraits = [self.portraits.digest, self.portraits.listed, *self.portraits.lost]
        return fingerprint(VERSION, cells, portraits, self.model_id, shown)

    def stands(self) -> bool:
        """Tell whether an earlier run has left everything that this one would."""
        output = self.config.output
        run = uris.read_json(uris.join(output, RUN)) or {}
        files = [RUN, f"{SCORES}/{PART}", f"{PORTRAITS}/{PART}"]
        files += [PAGE] if self.config.page_portraits else []
        return run.get("digest") == self.digest and all(
            uris.exists(uris.join(output, name)) for name in files
        )

    def is_tracked(self, uri: str) -> bool:
        """Tell whether an earlier run has brought all of this to a tracking service."""
        known = (uris.read_json(uris.join(self.config.output, RUN)) or {}).get("tracking", {})
        target = {"uri": uris.redact(uri), "digest": self.digest, "waiting": 0, "lost": 0}
        return uri in ("", "none") or {name: known.get(name) for name in target} == target

    def tracking_data(self, uri: str, backlog: Backlog) -> dict[str, Any]:
        """Return what run.json says of a tracking service, for `is_tracked`."""
        return {**asdict(backlog), "uri": uris.redact(uri), "digest": self.digest}

    def scores(self) -> list[dict[str, Any]]:
        """Return the rows of the written table of scores."""
        return read_table(self.config.output, SCORES, SCORES_SCHEMA)

    def stylized(self) -> list[dict[str, Any]]:
        """Return the rows of the written table of portraits."""
        return read_table(self.config.output, PORTRAITS, PORTRAITS_SCHEMA)

    def summary(self) -> str:
        """Return what is printed below the table of the methods: what failed, what this run has
        computed, and where the rest is."""
        lines = [MARKS, *(f"{result.cell}: {result.reason}" for result in self.failed)]
        lines += self._failed_portraits()
        lines += [self._computed()]
        where = uris.join(self.config.output, PAGE) if self.config.page_portraits else ""
        lines += [f"Page: {uris.redact(where)}"] if where else []
        return "\n".join([*lines, f"Tables: {uris.redact(self.config.output)}"])

    def _computed(self) -> str:
        """Return the line on what is of this run, what of an earlier one, and what has failed."""
        scored = [result for result in self.results if result.scores is not None]
        computed = sum(result.computed for result in scored)
        if not self.failed and not computed:
            return "nothing to do: all of it was computed by an earlier run, and is kept"
        text = f"{computed} cells computed, {len(scored) - computed} kept from an earlier run"
        return text + (f", {len(self.failed)} without scores" if self.failed else "")

    def _failed_portraits(self) -> list[str]:
        """Return a line on the portraits that lack scores in some cell; none where all have
        them."""
        rows = self.stylized()
        failed = sum(row["status"] != Status.OK for row in rows)
        if not failed:
            return []
        return [
            f"{failed} of {len(rows)} stylized portraits failed; column `error` of the table "
            f"{PORTRAITS} says why"
        ]

    def write_tables(self) -> None:
        """Write the tables of portraits and of scores.

        Raises:
            ItportraitError: the rows of a cell are gone or damaged.
            OutputError: no space or no permission; names the path.
        """
        portraits = portrait_rows(self.config.output, self.results)
        scores = score_rows(self.results, portraits, self.config.compared_with)
        write_table(self.config.output, PORTRAITS, portraits, PORTRAITS_SCHEMA)
        write_table(self.config.output, SCORES, scores, SCORES_SCHEMA)

    def write_run(self, **more: Any) -> None:
        """Write `OUT/run.json`; its digest says that everything else has been written."""
        data = {
            "status": "cells failed" if self.failed else "finished",
            "ended": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "itportrait": itportrait.__version__,
            "python": platform.python_version(),
            "config": json.loads(uris.redact(self.config.model_dump_json())),
            "settings_from": self.config.settings_from,
            "models": {"id": self.model_id, "key": bundle_key(self.config.base)},
            "portraits": {
                "listed": self.portraits.listed,
                "digest": self.portraits.digest,
                "lost": [{"portrait": n, "reason": r} for n, r in self.portraits.lost],
            },
            "cells": [_cell_data(result) for result in self.results],
            "digest": self.digest,
            **more,
        }
        uris.put_bytes(uris.join(self.config.output, RUN), uris.to_json(data))


def _cell_data(result: CellResult) -> dict[str, Any]:
    cell, style = result.cell, result.style
    return {
        "label": cell.label,
        "domain": cell.domain,
        "seed": cell.seed,
        "mode": result.planned.mode,
        "status": "failed" if result.scores is None else "ok",
        "reason": result.reason,
        "style": style.name if style else None,
        "step": style.step if style else None,
    }


_SHOWN = (
    "truth_distance",
    "kid_ratio",
    "clip_direction",
    "clip_image_gain",
    "identity",
    "view_consistency",
    "depth_variance",
    "diversity",
    "adapt_seconds",
    "portrait_seconds",
)


def final_table(scores: Sequence[dict[str, Any]]) -> Table:
    """Return the final table, one line a measure and one column a method, over all domains and
    seeds.

    The best of each line, and what is not certainly worse than it, has a star; where no interval
    tells which others are, the best has a question mark.
    """
    rows = [row for row in scores if row["domain"] is None and row["seed"] is None]
    labels = list(dict.fromkeys(row["label"] for row in rows))
    lines = []
    for name in _SHOWN:
        found = {row["label"]: row for row in rows if row["metric"] == name}
        mark = "*" if _decided([*found.values()]) else "?"
        if found:
            lines.append([name, *(_shown(found[label], mark) for label in labels)])
    return make_table(("mean over portraits, domains and seeds", *labels), lines)


MARKS = (
    "* best, or not certainly worse than the best; "
    "? best value, which no interval tells from the others; "
    "means of fewer measurements are never called the best"
)


def _decided(column: Sequence[dict[str, Any]]) -> bool:
    """Tell whether intervals say which of the values with most measurements are not certainly
    worse than the best."""
    most = max((row["count"] for row in column), default=0)
    return all(row["best"] is not None for row in column if row["count"] == most)


def _shown(row: dict[str, Any], mark: str) -> str:
    if row.get("value") is None:
        return "- "
    return f"{row['value']:.3f}{mark if row['best'] else ' '}"
