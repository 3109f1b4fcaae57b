"""The main job's report about itself: run.json, and report.html with its figures."""

import datetime as dt
import json
import platform
from typing import Any

import itportrait
from itportrait.bundle.model_id import bundle_key
from itportrait.engine.totals import cost_of
from itportrait.execution.executor import Executor
from itportrait.io import uris
from itportrait.jobs.model_id import find_model_id
from itportrait.jobs.stylize.config import JobConfig
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.pages.report import render_report

RUN, REPORT = "run.json", "report.html"


def known_model_id(config: JobConfig, executor: Executor) -> str:
    """Return the id of the bundle's models: from an earlier run's report, or from the bundle.

    Raises:
        MissingModelError: there is no such bundle (names the command that makes or imports it), or
            it lacks what the inversion asks for.
    """
    run = uris.read_json(uris.join(config.output, RUN)) or {}
    return find_model_id(config.bundle, config.invert, run, executor)


def write_run(job: StylizeJob, status: str) -> str:
    """Write `OUT/report.html`, and `OUT/run.json` with the same figures.

    Returns:
        URI of the report.
    """
    data = run_data(job, status)
    page, report = render_report(data).encode(), uris.join(job.config.output, REPORT)
    uris.put_bytes(report, page)
    uris.put_bytes(uris.join(job.config.output, RUN), uris.to_json(data))
    return report


def run_data(job: StylizeJob, status: str) -> dict[str, Any]:
    """Return what run.json holds: settings, where they are from, ids, counts, timings, cost."""
    now = dt.datetime.now(dt.UTC)
    stages, deliverables = _stages(job), _deliverables(job)
    costs = [*stages.values(), *deliverables.values()]
    return {
        "status": status,
        "started": job.started.isoformat(timespec="seconds"),
        "seconds": round((now - job.started).total_seconds(), 1),
        "itportrait": itportrait.__version__,
        "python": platform.python_version(),
        "config": _redacted(job.config.model_dump(mode="json")),
        "settings_from": job.config.settings_from,
        "models": {"id": job.model_id, "key": bundle_key(job.config.bundle)},
        "fingerprints": {recipe.name: recipe.fingerprint for recipe in job.recipes()},
        "domains": {
            domain.name: {
                "version": domain.recipe.version if domain.recipe else None,
                "error": uris.redact(str(domain.error)) if domain.error else None,
                "warnings": job.warnings.get(domain.name, []),
            }
            for domain in job.domains
        },
        "inputs": job.totals.listed,
        "skipped": job.skipped.to_json(),
        "shards": job.totals.shards,
        "counts": job.final_counts(),
        "stages": stages,
        "deliverables": deliverables,
        "tracking": job.tracking.to_json(),
        "cost": cost_of(
            sum(item["cpu_seconds"] for item in costs),
            sum(item["gpu_seconds"] for item in costs),
            job.totals.listed,
        ),
    }


def _stages(job: StylizeJob) -> dict[str, dict[str, Any]]:
    """Return the totals of every stage with what it took of the cluster."""
    stages, shares = {}, job.resources()
    named = {recipe.name: recipe.stage for recipe in job.chain}
    named |= {domain.stage_name: domain.stage for domain in job.domains}
    for name, totals in job.totals.stages.items():
        share = shares[named[name]]
        stages[name] = {**totals.to_json(), **totals.cost(share.num_cpus, share.num_gpus)}
    return stages


def _deliverables(job: StylizeJob) -> dict[str, dict[str, Any]]:
    """Return what became of the files of every domain with what they took of the cluster."""
    share, found = job.resources()[job.last], {}
    for name, made in job.deliverables.items():
        seconds = made.get("seconds", 0.0)
        cost = cost_of(seconds * share.num_cpus, seconds * share.num_gpus, made["portraits"])
        found[name] = {**made, **cost}
    return found


def _redacted(data: Any) -> Any:
    return json.loads(uris.redact(json.dumps(data)))
