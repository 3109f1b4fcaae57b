"""Describe the page of a comparison, and let a task make it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import yaml

from itportrait.comparison.compute import CellCompute
from itportrait.comparison.given import Target
from itportrait.comparison.judges import judges
from itportrait.comparison.page import PageJob, make_page
from itportrait.comparison.report import ComparisonReport
from itportrait.io import uris
from itportrait.pages.comparison import (
    ComparedDomain,
    ComparedFailure,
    ComparedMethod,
    ComparedScore,
    Comparison,
)
from itportrait.records import Status


def write_page(
    report: ComparisonReport, compute: CellCompute, targets: Mapping[str, Target]
) -> str | None:
    """Let a task make the page of a comparison whose tables are written.

    Returns:
        URI of the page; None if none is wanted.
    """
    config = report.config
    if not config.page_portraits:
        return None
    first = config.seeds[0]
    job = PageJob(
        bundle=config.base,
        portraits=report.portraits,
        targets=dict(targets),
        comparison=_comparison(report, targets),
        cells=tuple(
            (result.cell, result.scores)
            for result in report.results
            if result.scores and result.cell.seed == first
        ),
        count=config.page_portraits,
        align=config.align.model_dump_json(),
        measures=config.measures.model_dump_json(),
        footer=f"fingerprint {report.digest}",
    )
    return compute.run("page", make_page, job)


def _comparison(report: ComparisonReport, targets: Mapping[str, Target]) -> Comparison:
    """Return all that the page shows but its pictures."""
    config, stylized = report.config, report.stylized()
    return Comparison(
        methods=[_method(report, label) for label in config.methods],
        domains=[ComparedDomain(name, target.prompt) for name, target in targets.items()],
        portraits=[],
        scores=list(_scores(report.scores())),
        failures=[*_failures(report, stylized)],
        lost=report.portraits.lost,
        portrait_count=len({row["record_id"] for row in stylized}),
        settings=_facts(report),
        config=uris.redact(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)),
        judges=judges(config),
    )


def _scores(rows: Sequence[dict[str, Any]]) -> Iterator[ComparedScore]:
    """Yield the scores over all seeds, and those of each seed over all domains."""
    several = len({row["seed"] for row in rows}) > 2
    for row in rows:
        if row["seed"] is None or (several and row["domain"] is None):
            yield ComparedScore(**{each.name: row[each.name] for each in fields(ComparedScore)})


def _failures(
    report: ComparisonReport, stylized: Sequence[dict[str, Any]]
) -> Iterator[ComparedFailure]:
    """Yield the cells without scores, and the portraits that failed in others, of all seeds."""
    for result in report.failed:
        cell = result.cell
        yield ComparedFailure(cell.label, cell.domain, result.reason, cell.seed)
    for row in stylized:
        if row["status"] != Status.OK:
            place = (row["seed"], row["portrait"])
            yield ComparedFailure(row["label"], row["domain"], row["error"], *place)


def _method(report: ComparisonReport, label: str) -> ComparedMethod:
    variant = report.config.methods[label]
    modes = {r.planned.mode for r in report.results if r.cell.label == label and r.planned.mode}
    about = [f"{name} {value}" for name, value in _flat(variant.options)]
    about += [f"strength {variant.strength:g}"] if variant.strength != 1 else []
    about += [f"at most {variant.steps} steps"] if variant.steps else []
    mode = modes.pop() if len(modes) == 1 else ""
    return ComparedMethod(label, variant.method or label, mode, ", ".join(about))


def _flat(options: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return nested options with dotted names."""
    found: list[tuple[str, Any]] = []
    for name, value in options.items():
        nested = isinstance(value, Mapping)
        found += _flat(value, f"{before}{name}.") if nested else [(f"{before}{name}", value)]
    return found


def _facts(report: ComparisonReport) -> dict[str, str]:
    """Return what the page tells of the run in words."""
    config, portraits = report.config, report.portraits
    return {
        "model": f"{uris.redact(config.base)} ({report.model_id})",
        "portraits": f"{uris.redact(config.portraits)}, {portraits.listed} photos",
        "seeds": ", ".join(map(str, config.seeds)),
    }
