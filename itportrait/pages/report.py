"""The report of a job on one page: its inputs, their outcomes, and the cost."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from itportrait.errors import InvalidArgumentError
from itportrait.pages.page import NO_FIGURE, render_page, status_chips, table, tracking_link

_NEEDED = ("stages", "counts", "inputs")
_MEASURES = ("clip_direction", "clip_image", "identity", "depth_distance", "depth_variance")
_COSTS = ("cpu_seconds", "gpu_seconds", "cpu_seconds_per_1000", "gpu_seconds_per_1000")
_COST_NAMES = ("CPU s", "GPU s", "CPU s per 1,000", "GPU s per 1,000")


def render_report(run: Mapping[str, Any], *, reasons: int = 12) -> str:
    """Return `report.html`: self-contained, no script or picture from elsewhere.

    Args:
        run: content of run.json. Its texts are shown as they are, so that secrets must be out of
            it already.
        reasons: at most this many reasons of a stage.

    Raises:
        InvalidArgumentError: it lacks what a run.json holds.
    """
    missing = [name for name in _NEEDED if name not in run]
    if missing:
        raise InvalidArgumentError(
            "run",
            expected=f"the content of run.json, with {', '.join(_NEEDED)}",
            actual=f"nothing under {', '.join(missing)}",
            remedy="run the job again: it writes run.json at its end",
        )
    sections = [
        _section("What became of the inputs", _stages(run["stages"])),
        _section("Commonest reasons", _reasons(run["stages"], reasons)),
        _section("Skipped by the listing, no inputs", _skipped(run.get("skipped", {}))),
        _section("Seconds and cost by stage", _costs(run)),
        _section("Domains, means over the portraits", _domains(run)),
        _section("Deliverables", _deliverables(run.get("deliverables", {}))),
    ]
    config = run.get("config", {})
    about = [
        f"{name} {value}"
        for name, value in (
            ("itportrait", run.get("itportrait")),
            ("Python", run.get("python")),
            ("models", run.get("models", {}).get("id")),
        )
        if value
    ]
    places = f"{config.get('input', '')} to {config.get('output', '')}" if config else ""
    when = f"begun {run.get('started', '?')}, {run.get('seconds', 0):,.0f} s"
    return render_page(
        title="Report of a run",
        subtitle="; ".join(part for part in (run.get("status", ""), when, places) if part),
        links=_links(run),
        chips=status_chips(run["counts"]),
        sections=[section for section in sections if section],
        footer="; ".join(about),
    )


def _links(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the other pages of the run that its settings ask for, and the tracking service."""
    wanted = run.get("config", {}).get("publish", {})
    pages = {
        "Gallery": ("portraits", "gallery/index.html"),
        "Review": ("review", "gallery/review.html"),
    }
    found = {name: page for name, (setting, page) in pages.items() if wanted.get(setting)}
    return found | tracking_link(run.get("tracking", {}).get("uri", ""))


def _section(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>{body}" if body else ""


def _stages(stages: Mapping[str, Any]) -> str:
    names = ("inputs", "ok", "rejected", "failed", "computed", "shards", "shards_kept")
    rows = [[stage, *(totals.get(name) for name in names)] for stage, totals in stages.items()]
    heads = ("stage", *names[:4], "rows computed by this run", "shards", "of them found done")
    return table(heads, rows) if rows else ""


def _reasons(stages: Mapping[str, Any], most: int) -> str:
    rows = []
    for stage, totals in stages.items():
        found = sorted(totals.get("reasons", {}).items(), key=lambda item: (-item[1], item[0]))
        inputs = max(totals.get("inputs", 0), 1)
        rows += [[stage, reason, n, f"{n / inputs:.1%}"] for reason, n in found[:most]]
    return table(("stage", "reason", "rows", "of its inputs"), rows) if rows else ""


def _skipped(skipped: Mapping[str, Any]) -> str:
    rows = [
        [reason, about["count"], ", ".join(about["names"])] for reason, about in skipped.items()
    ]
    return table(("reason", "files and folders", "some of them"), rows) if rows else ""


def _costs(run: Mapping[str, Any]) -> str:
    made = {f"deliver {name}": files for name, files in run.get("deliverables", {}).items()}
    parts = {**run["stages"], **made}
    rows: list[Sequence[object]] = [
        [name, float(part.get("seconds", 0)), *(part.get(cost) for cost in _COSTS)]
        for name, part in parts.items()
    ]
    if not rows:
        return ""
    total = run.get("cost", {})
    seconds = float(sum(part.get("seconds", 0) for part in parts.values()))
    rows.append(["all stages", seconds, *(total.get(name) for name in _COSTS)])
    heads = ("stage", "seconds", *_COST_NAMES)
    # Where no task had a GPU, two columns of zeros would say nothing.
    kept = [n for n, head in enumerate(heads) if "GPU" not in head or any(row[n] for row in rows)]
    note = (
        "Seconds of the tasks that computed the shards, those of earlier runs included, without "
        "the loading of models; CPU and GPU seconds: times the share that a task takes of the "
        "cluster. Per 1,000 inputs of the stage (of deliverables: portraits), in the last line of "
        "the run. The adaptation of domains is not part of it."
    )
    shown = table([heads[n] for n in kept], [[row[n] for n in kept] for row in rows])
    return f'{shown}<p class="note">{note}</p>'


def _domains(run: Mapping[str, Any]) -> str:
    rows: list[Sequence[object]] = []
    for name, domain in run.get("domains", {}).items():
        means = run["stages"].get(f"stylize {name}", {}).get("means", {})
        shown = [float(means[key]) if key in means else NO_FIGURE for key in _MEASURES]
        said = [domain.get("error") or "", *domain.get("warnings", ())]
        rows.append([name, domain.get("version") or "none", *shown, "; ".join(filter(None, said))])
    heads = ["domain", "version", *(key.replace("_", " ") for key in _MEASURES), "warnings, errors"]
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return table(heads, rows, digits=3) if rows else ""


def _deliverables(domains: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            made.get("portraits", 0),
            made.get("files", 0),
            made.get("failed", 0),
            ", ".join(f"{kind} {count}" for kind, count in made.get("reasons", {}).items()),
        ]
        for name, made in domains.items()
    ]
    heads = ["domain", "portraits", "files", "failed", "reasons"]
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return table(heads, rows) if rows else ""
