"""Describe the page of a comparison, and let a task make it."""

from collections.abc import Mapping
from typing import Any

import yaml

from itportrait.comparison.compute import CellCompute
from itportrait.comparison.judges import judges
from itportrait.comparison.page import PageJob, make_page
from itportrait.comparison.report import ComparisonReport
from itportrait.comparison.warm import Target
from itportrait.io import uris
from itportrait.pages.comparison import ComparedFailure, ComparedMethod


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
        methods=tuple(_method(report, label) for label in config.methods),
        cells=tuple(
            (result.cell, result.scores)
            for result in report.results
            if result.scores and result.cell.seed == first
        ),
        failures=tuple(
            ComparedFailure(r.cell.label, r.cell.domain, r.reason, r.cell.seed)
            for r in report.failed
        ),
        count=config.page_portraits,
        align=config.align.model_dump_json(),
        measures=config.measures.model_dump_json(),
        settings=_facts(report),
        config=uris.redact(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)),
        footer=f"fingerprint {report.digest}",
        judges=tuple(judges(config)),
    )
    return compute.run("page", make_page, job)


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
