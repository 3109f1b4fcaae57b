"""The tracked runs of a comparison: one parent, and a child for each method and domain."""

import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from itportrait.comparison.report import PAGE, ComparisonReport
from itportrait.comparison.run import CellResult
from itportrait.comparison.scoring import read_cell
from itportrait.comparison.style_store import StyleStore
from itportrait.comparison.tables import PART, VIEWS
from itportrait.config import fingerprint
from itportrait.image import decode
from itportrait.io import uris
from itportrait.pages.contact_sheet import contact_sheet
from itportrait.records import Status
from itportrait.tracking import (
    FINAL,
    NOTE_TAG,
    OVERALL,
    Backlog,
    RunStatus,
    Tracker,
    close_tracking,
    open_tracker,
)

EXPERIMENT = "comparison"
_SHEET_PORTRAITS = 8
"""Largest number of portraits on the contact sheet of a child."""


def track_comparison(report: ComparisonReport, uri: str) -> Backlog:
    """Show a comparison whose files are written, in the run of its output and configuration.

    Args:
        report: of the comparison.
        uri: of MLflow, or `none`.

    Returns:
        What the tracking service does not have yet.
    """
    shown = report.config.model_dump(mode="json", exclude={"train", "adaptation"})
    name = f"compare-{fingerprint(shown)[:8]}"
    with open_tracker(uri, name, experiment=EXPERIMENT, tags=_tags(report)) as tracker:
        _track(report, report.scores(), tracker)
        if report.failed:
            tracker.finish(RunStatus.FAILED)
    return close_tracking(tracker, uri)


def _tags(report: ComparisonReport) -> dict[str, str]:
    config = report.config
    note = (
        f"Methods {', '.join(config.methods)} on domains {', '.join(config.domains)}, "
        f"{config.portraits} portraits, seeds {', '.join(map(str, config.seeds))}. Below it a run "
        f"for each method and domain, whose `{FINAL}/…` has the seed's place as its step; here "
        f"`{OVERALL}/METHOD/…` are means over the domains."
    )
    return {"kind": "comparison", NOTE_TAG: note}


def _track(report: ComparisonReport, scores: Sequence[dict[str, Any]], tracker: Tracker) -> None:
    """Fill the parent and its children.

    The children have the same names of metrics, so that they compare: `final/METRIC`, whose step is
    the place of the seed in the configuration.
    """
    config = report.config
    tracker.log_params({"base": uris.redact(config.base), "portraits": config.portraits})
    tracker.set_tags(
        {
            "methods": ", ".join(config.methods),
            "domains": ", ".join(config.domains),
            "seeds": ", ".join(map(str, config.seeds)),
            "failed": "; ".join(str(r.cell) for r in report.failed)[:500] or "none",
        }
    )
    overall = {
        f"{OVERALL}/{_plain(row['label'])}/{row['metric']}": row["value"]
        for row in scores
        if row["domain"] is None and row["seed"] is None and row.get("value") is not None
    }
    # The step counts cells: a comparison that goes on and has more of them adds its figures.
    tracker.log_metrics(overall, step=len(report.results) - len(report.failed))
    for label in config.methods:
        for domain in config.domains:
            own = [r for r in report.results if (r.cell.label, r.cell.domain) == (label, domain)]
            if own:
                rows = [r for r in scores if (r["label"], r["domain"]) == (label, domain)]
                _track_child(report, tracker, own, rows)
    for path in (f"scores/{PART}", f"portraits/{PART}", *([PAGE] if config.page_portraits else ())):
        _log_file(tracker, config.output, path)


def _plain(label: str) -> str:
    return label.replace("+", " and ")  # MLflow has no such sign in names of metrics


def _log_file(tracker: Tracker, output: str, path: str) -> None:
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / name
        copy.write_bytes(uris.read_bytes(uris.join(output, path)))
        tracker.log_artifact(copy, folder or None)


def _track_child(
    report: ComparisonReport,
    tracker: Tracker,
    results: Sequence[CellResult],
    rows: Sequence[dict[str, Any]],
) -> None:
    cell = results[0].cell
    planned = results[0].planned
    method = planned.job.spec.method if planned.job else ""
    tags = {"label": cell.label, "domain": cell.domain, "method": method, "mode": planned.mode}
    tags[NOTE_TAG] = f"Method **{cell.label}** in the style domain **{cell.domain}**."
    child = tracker.child(f"{cell.label} {cell.domain}", tags=tags)
    seeds = report.config.seeds
    for row in rows:
        if row["seed"] is not None and row.get("value") is not None:
            step = seeds.index(row["seed"])
            child.log_metrics({f"{FINAL}/{row['metric']}": row["value"]}, step=step)
    styles = StyleStore(report.config.output)
    for point in styles.curve(results[0].style.name) if results[0].style else ():
        step = int(point.pop("step"))
        child.log_metrics({n: v for n, v in point.items() if v is not None}, step=step)
    for result in results:
        sheet = _sheet(report, result)
        if sheet is not None:
            child.log_image("sheet", sheet, step=seeds.index(result.cell.seed))
    failed = [result.reason for result in results if result.scores is None]
    child.set_tags({"failed": "; ".join(failed)[:500] or "none"})
    child.finish(RunStatus.FAILED if failed else RunStatus.FINISHED)


def _sheet(report: ComparisonReport, result: CellResult) -> np.ndarray | None:
    """Return a picture of a cell's portraits in all views, or None where there is none."""
    rows: list[list[np.ndarray | None]] = []
    names: list[str] = []
    output = report.config.output
    found = read_cell(output, result.cell, result.scores, views=True) if result.scores else ()
    good = (row for row in found if row["status"] == Status.OK)
    for row in islice(good, _SHEET_PORTRAITS):
        rows.append([decode(data) for data in row[VIEWS]])
        names.append(row["portrait"])
    if not rows:
        return None
    return contact_sheet(rows, columns=["own view", "left", "front", "right"], names=names)
