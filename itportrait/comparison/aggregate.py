"""From the rows of portraits and cells to the table of scores, with intervals and differences."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from itportrait.comparison.estimates import Key, best_labels, difference, mean_of
from itportrait.comparison.names import CELL_METRICS, METRICS, PORTRAIT_METRICS
from itportrait.comparison.run import CellResult
from itportrait.comparison.scoring import read_cell
from itportrait.errors import InvalidArgumentError

DRAWS = 2_000
"""Number of samples of each bootstrap; the table has thousands of them."""


@dataclass(frozen=True)
class Measurements:
    """All measurements of one label: metric -> domain, portrait and seed -> value."""

    label: str
    values: dict[str, dict[Key, float]]
    reasons: dict[str, dict[tuple[str, int], str]]
    """Metric -> domain and seed -> why it is missing there."""


def portrait_rows(output: str, results: Iterable[CellResult]) -> list[dict[str, Any]]:
    """Return one row for each label, domain, seed and portrait of the cells that were scored."""
    rows: list[dict[str, Any]] = []
    for result in results:
        cell, job = result.cell, result.planned.job
        about = {
            "label": cell.label,
            "domain": cell.domain,
            "seed": cell.seed,
            "method": job.spec.method if job else "",
            "mode": result.planned.mode,
        }
        if result.scores is not None:
            rows += [about | row for row in read_cell(output, cell, result.scores)]
    return rows


def score_rows(
    results: Sequence[CellResult], portraits: Sequence[dict[str, Any]], reference: str
) -> list[dict[str, Any]]:
    """Return the table of scores.

    Args:
        results: of all cells.
        portraits: from `portrait_rows`.
        reference: label to which differences are taken.
    """
    measured = _measurements(results, portraits)
    labels = {found.label: found for found in measured}
    domains = list(dict.fromkeys(result.cell.domain for result in results))
    seeds = list(dict.fromkeys(result.cell.seed for result in results))
    there = {(result.cell.label, result.cell.domain) for result in results}
    rows: list[dict[str, Any]] = []
    for domain in [None, *domains]:
        for seed in [None, *seeds]:
            for metric, source in METRICS.items():
                column = [
                    _row(found, labels.get(reference), domain, seed, metric, source)
                    for found in measured
                    if domain is None or (found.label, domain) in there
                ]
                rows += _with_best(column, metric, labels, domain, seed)
    return rows


def _measurements(
    results: Sequence[CellResult], portraits: Sequence[dict[str, Any]]
) -> list[Measurements]:
    found: dict[str, Measurements] = {}
    for result in results:
        cell = result.cell
        entry = found.setdefault(cell.label, Measurements(cell.label, {}, {}))
        values, reasons = _of_cell(result)
        for metric, value in values.items():
            entry.values.setdefault(metric, {})[(cell.domain, "", cell.seed)] = value
        for metric, reason in reasons.items():
            entry.reasons.setdefault(metric, {})[(cell.domain, cell.seed)] = reason
    for row in portraits:
        entry = found[row["label"]]
        for metric in PORTRAIT_METRICS:
            if row[metric] is not None:
                key = (row["domain"], row["record_id"], row["seed"])
                entry.values.setdefault(metric, {})[key] = row[metric]
    return list(found.values())


def _of_cell(result: CellResult) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures that all portraits of a cell have together, and why metrics are missing.

    Raises:
        InvalidArgumentError: a figure that no table knows.
    """
    if result.scores is None:
        return {}, dict.fromkeys(METRICS, result.reason)
    values, reasons = dict(result.scores.values), dict(result.scores.reasons)
    if unknown := (values.keys() - CELL_METRICS.keys()) | (reasons.keys() - METRICS.keys()):
        raise InvalidArgumentError(
            f"metrics of {result.cell}",
            expected=f"some of {', '.join(METRICS)}",
            actual=", ".join(sorted(unknown)),
            remedy="metrics are named in itportrait.comparison.names",
        )
    for metric, value in list(values.items()):
        if not math.isfinite(value):
            reasons[metric] = f"the value is {values.pop(metric)}"
    return values, reasons


def _chosen(
    found: Measurements, metric: str, domain: str | None, seed: int | None
) -> dict[Key, float]:
    return {
        key: value
        for key, value in found.values.get(metric, {}).items()
        if domain in (None, key[0]) and seed in (None, key[2])
    }


def _row(
    found: Measurements,
    reference: Measurements | None,
    domain: str | None,
    seed: int | None,
    metric: str,
    source: str,
) -> dict[str, Any]:
    row = {"label": found.label, "domain": domain, "seed": seed, "metric": metric, "source": source}
    values = _chosen(found, metric, domain, seed)
    if not values:
        return {**row, "count": 0, "reason": _reason(found, metric, domain, seed)}
    estimate = mean_of(values, DRAWS)
    row |= {"value": estimate.mean, "low": estimate.low, "high": estimate.high}
    row |= {"count": estimate.count}
    if seed is None and reference is not None and reference.label != found.label:
        others = _chosen(reference, metric, domain, seed)
        row |= _difference(values, others)
    return row


def _difference(values: dict[Key, float], others: dict[Key, float]) -> dict[str, float | None]:
    estimate = difference(values, others, DRAWS)
    if estimate is None:
        return {}
    ends = {"difference_low": estimate.low, "difference_high": estimate.high}
    return {"difference": estimate.mean, **ends}


def _reason(found: Measurements, metric: str, domain: str | None, seed: int | None) -> str:
    texts = dict.fromkeys(
        text
        for place, text in found.reasons.get(metric, {}).items()
        if domain in (None, place[0]) and seed in (None, place[1])
    )
    return "; ".join(texts) or "no portrait has it"


def _with_best(
    column: list[dict[str, Any]],
    metric: str,
    labels: dict[str, Measurements],
    domain: str | None,
    seed: int | None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a column with a note of which are the best, or not certainly worse."""
    if domain is not None and seed is not None:  # no table shows these by themselves
        yield from column
        return
    known = [row["label"] for row in column]
    values = {label: _chosen(labels[label], metric, domain, seed) for label in known}
    best = best_labels(values, metric, DRAWS)
    for row in column:
        yield {**row, "best": best.get(row["label"])}
