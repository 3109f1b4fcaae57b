"""Write docs/results.md from the tables of comparisons: the main table, and the paper's claims.

    python docs/results.py runs/compare runs/variants

Comparisons are joined where base model, portraits, measures and domains of one name are the same.
Where several have the same label, the first that is named counts. What people have written between
the marks of a section stays as it is.
"""

import argparse
import io
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from claims import (
    Claim,
    Finding,
    evenness,
    judge,
    label_of,
    read_claims,
    verdict,
)

from itportrait.comparison.config import ComparisonConfig
from itportrait.comparison.estimates import Key, best_labels
from itportrait.comparison.judges import judges
from itportrait.io import uris
from itportrait.learning.bootstrap import Estimate
from itportrait.pages.comparison import ComparedDomain, ComparedMethod, ComparedScore, Comparison
from itportrait.pages.comparison.index import ScoreIndex
from itportrait.pages.comparison.tables import HEADINGS
from itportrait.pages.measures import Measure

HEAD = """# Results

Made by `docs/results.py` from tables of comparisons; only the prose between the marks is written by
hand. Intervals are 95 % bootstrap intervals over portraits and seeds; those of figures that all
portraits of a style have together (KID, FID, diversity, costs) are over domains and seeds. Those of
a difference are over pairs of the same portrait, domain and seed. A claim holds where the interval
of the difference lies on the claimed side of 0, does not hold where it lies on the other side, and
is not decided where it holds 0. In the tables of all methods the best is bold; ≈ marks values that
are not certainly worse, since the interval of their paired difference to the best holds 0; ? stands
at a best value that no interval tells from the others; italics are means of fewer measurements,
which are never called the best.
"""
RESULTS = Path(__file__).resolve().parent / "results.md"
_PROSE = re.compile(r"<!-- prose: ([\w-]+) -->\n(.*?)<!-- end of prose -->", re.DOTALL)
_NOT_MEASURED = {"label", "domain", "seed", "method", "mode", "portrait", "record_id", "status"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """What comparisons have found.

    Args:
        measured: label -> metric -> domain, portrait and seed -> value.
        scores: over all domains and seeds, and the single ones of whole styles.
        runs: the comparisons.
    """

    measured: dict[str, dict[str, dict[Key, float]]]
    scores: list[ComparedScore]
    runs: list["Run"]


@dataclass(frozen=True)
class Run:
    """One comparison.

    Args:
        output: its folder or URI.
        labels: that are taken from it.
        failed: cells of these labels that have no scores, with their reasons.
        config: its configuration.
    """

    output: str
    labels: list[str]
    failed: list[str]
    config: ComparisonConfig


def read_tables(outputs: Sequence[str]) -> Tables:
    """Read the tables of comparisons.

    Raises:
        SystemExit: an output has no tables or no run.json, or two cannot be joined.
    """
    tables = Tables({}, [], [])
    conditions: dict[str, dict[str, Any]] = {}
    for output in outputs:
        scores, portraits = (_rows(output, name) for name in ("scores", "portraits"))
        run = uris.read_json(uris.join(output, "run.json"))
        if not scores or not run:
            lack = "run.json" if scores else "scores"
            sys.exit(f"{output} holds no {lack}; run workflows/compare_methods.py with this output")
        config = ComparisonConfig.parse(run["config"], source=f"the configuration of {output}")
        conditions[output] = _conditions(run, config)
        new = [label for label in _labels(scores) if label not in tables.measured]
        tables.runs.append(Run(output, new, _failed(run, new), config))
        for label in new:
            own = [row for row in scores if row["label"] == label]
            tables.measured[label] = _measured(
                own, [row for row in portraits if row["label"] == label]
            )
            names = ComparedScore.__dataclass_fields__
            tables.scores.extend(
                ComparedScore(**{name: row[name] for name in names if name in row}) for row in own
            )
    _check_joinable(conditions)
    return tables


def _conditions(run: Mapping[str, Any], config: ComparisonConfig) -> dict[str, Any]:
    """Return what must be the same in comparisons whose figures stand in one table."""
    conditions = {
        "base model": run["models"]["id"],
        "portraits": run["portraits"]["digest"],
        "measures": config.measures.model_dump(),
    }
    for name, domain in config.domains.items():
        parts = ("prompt", "source_prompt", "truth")
        conditions[f"domain {name}"] = {part: getattr(domain, part) for part in parts} | {
            # The same pictures can lie in another folder.
            "references": [uri.rpartition("/")[2] for uri in domain.references]
        }
    return conditions


def _check_joinable(conditions: Mapping[str, Mapping[str, Any]]) -> None:
    known: dict[str, tuple[str, Any]] = {}
    for output, own in conditions.items():
        for what, value in own.items():
            first, other = known.setdefault(what, (output, value))
            if value != other:
                sys.exit(
                    f"the comparisons differ in their {what} and cannot be joined "
                    f"({first}: {other}, {output}: {value}); make them again with the same"
                )


def _failed(run: Mapping[str, Any], labels: Sequence[str]) -> list[str]:
    return [
        f"`{cell['label']}`, {cell['domain']}, seed {cell['seed']}: {cell['reason']}"
        for cell in run["cells"]
        if cell["status"] == "failed" and cell["label"] in labels
    ]


def _rows(output: str, name: str) -> list[Row]:
    folder = uris.join(output, name)
    parts = [part for part in uris.list_names(folder) if part.endswith(".parquet")]
    contents = [uris.read_bytes(uris.join(folder, part)) for part in parts]
    return [row for data in contents for row in pq.read_table(io.BytesIO(data)).to_pylist()]


def _labels(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in rows))


def _measured(scores: Sequence[Row], portraits: Sequence[Row]) -> dict[str, dict[Key, float]]:
    """Return the single measurements of a label: of portraits, and of whole styles."""
    found: dict[str, dict[Key, float]] = {}
    for row in portraits:
        key = (row["domain"], row["record_id"], row["seed"])
        for metric, value in row.items():
            if metric not in _NOT_MEASURED and isinstance(value, float):
                found.setdefault(metric, {})[key] = value
    styles: dict[str, dict[Key, float]] = {}
    for row in scores:
        domain, seed, value = row["domain"], row["seed"], row["value"]
        if None not in (domain, seed, value) and row["metric"] not in found:
            styles.setdefault(row["metric"], {})[(str(domain), "", seed)] = value
    distance, identity = found.get("truth_distance", {}), found.get("identity", {})
    both = {key: identity[key] - distance[key] for key in distance if key in identity}
    return found | styles | ({"style_and_identity": both} if both else {})


def main_table(tables: Tables) -> str:
    """Return the table of all labels over all domains and seeds, one for each kind of source."""
    labels = list(tables.measured)
    domains = dict.fromkeys(s.domain for s in tables.scores if s.domain is not None)
    index = ScoreIndex(
        Comparison(
            [ComparedMethod(label) for label in labels],
            [ComparedDomain(name) for name in domains],
            [],
            _with_best(tables),
        )
    )
    whole = (None, None)
    parts = []
    for source, heading in {**HEADINGS, "cost": "Cost"}.items():
        if measures := index.measures([source], whole):
            heads = [measure.heading for measure in measures]
            notes: dict[str, int] = {}
            rows = [
                [f"`{label}`", *(_figure(index, label, measure, notes) for measure in measures)]
                for label in labels
            ]
            reasons = [f"{number}. {' '.join(reason.split())}" for reason, number in notes.items()]
            told = "".join(f"\n{line}" for line in reasons) + "\n" if reasons else ""
            parts.append(f"### {heading}\n\n{table(['method', *heads], rows)}{told}")
    return "\n".join(parts)


def _with_best(tables: Tables) -> list[ComparedScore]:
    """Return the scores with a note of which are best among all labels, of whatever comparison."""
    metrics = dict.fromkeys(score.metric for score in tables.scores)
    best = {
        metric: best_labels(
            {label: values.get(metric, {}) for label, values in tables.measured.items()}, metric
        )
        for metric in metrics
    }
    return [
        replace(score, best=best[score.metric].get(score.label))
        if score.domain is None and score.seed is None
        else score
        for score in tables.scores
    ]


def _figure(index: ScoreIndex, label: str, measure: Measure, notes: dict[str, int]) -> str:
    """Return a figure as the table shows it; why one is missing is added to the table's notes."""
    score, best = index.get(label, measure.name), index.best(measure, (None, None))
    if score is None or score.value is None:
        reason = index.missing(label, measure.name, (None, None))
        return f"– [{notes.setdefault(reason, len(notes) + 1)}]"
    text = measure.written(score.value)
    if score.low is not None and score.high is not None:
        text += f" [{measure.written(score.low)}, {measure.written(score.high)}]"
    if score is best:
        return f"**{text}**" if index.decided(score) else f"**{text}** ?"
    text = text if index.whole(score) else f"*{text}*"
    return f"≈ {text}" if score.best else text


def claim_section(claim: Claim, tables: Tables) -> str:
    """Return the section of one claim: its verdict and the figures behind it."""
    findings = judge(claim, tables.measured)
    verdicts = [(one.other, label_of(one.metric), one.verdict) for one in findings]
    parts = [f"## {claim.title}", claim.text, _wanted(claim)]
    rows = [_finding_row(one) for one in findings if one.difference is not None]
    heads = ["variant", "against", "metric", "means", "difference", "measured on"]
    heads += ["domains as claimed", "verdict"]
    for metric in claim.metrics if claim.evenly else ():
        steps = evenness(claim, metric, tables.measured)
        verdicts += [(label, "even step to it", even) for label, _, even in steps]
        rows += [
            [f"`{label}`", "the mean step", label_of(metric), "", _interval(share), "", "", even]
            for label, share, even in steps
        ]
    parts.append(verdict(verdicts))
    if rows:
        parts.append(table(heads, rows).rstrip())
    return "\n\n".join(parts)


def _wanted(claim: Claim) -> str:
    metrics = ", ".join(f"{label_of(name)} {side}" for name, side in claim.metrics.items())
    if claim.evenly:
        steps = ", ".join(f"`{label}`" for label in claim.evenly)
        return f"Claimed: from step to step of {steps}, {metrics}; each step about as large."
    return f"Claimed: for `{claim.variant}`, {metrics}."


def _finding_row(one: Finding) -> list[str]:
    assert one.difference is not None
    assert one.means is not None
    domains, units, seeds = (len({key[place] for key in one.keys}) for place in range(3))
    people = "styles" if {key[1] for key in one.keys} == {""} else f"{units} portraits"
    return [
        f"`{one.label}`",
        f"`{one.other}`",
        label_of(one.metric),
        f"{one.means[0]:.3f}, {one.means[1]:.3f}",
        _interval(one.difference),
        f"{people}, {domains} domains, {seeds} seeds",
        one.domains,
        one.verdict,
    ]


def _interval(estimate: Estimate) -> str:
    return f"{estimate:+.3f}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    texts = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in texts)


def document(tables: Tables, claims: Sequence[Claim], former: str) -> str:
    """Return the whole page, with the prose of the former one.

    Raises:
        SystemExit: the former page has prose for which this one has no place.
    """
    prose = dict(_PROSE.findall(former))
    names = ["summary", *(claim.name for claim in claims)]
    if lost := [name for name, text in prose.items() if text.strip() and name not in names]:
        sys.exit(f"the prose of {', '.join(lost)} has no claim any more; move or remove it first")
    sections = [_head(tables), _kept(prose, "summary"), f"## All methods\n\n{main_table(tables)}"]
    for claim in claims:
        sections += [claim_section(claim, tables), _kept(prose, claim.name)]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _kept(prose: dict[str, str], name: str) -> str:
    return f"<!-- prose: {name} -->\n{prose.get(name, '')}<!-- end of prose -->"


def _head(tables: Tables) -> str:
    lines = [HEAD]
    for run in tables.runs:
        labels = ", ".join(f"`{label}`" for label in run.labels) or "nothing new"
        lines.append(f"- `{Path(run.output).name}`: {labels}")
        cells = "1 cell" if len(run.failed) == 1 else f"{len(run.failed)} cells"
        lines += [f"  - {cells} without scores:"] if run.failed else []
        lines += [f"    - {' '.join(text.split())}" for text in run.failed]
    first, configs = tables.runs[0].config, [run.config for run in tables.runs]
    methods = {label: variant for config in configs for label, variant in config.methods.items()}
    domains = {name: domain for config in configs for name, domain in config.domains.items()}
    told = judges(first.model_copy(update={"methods": methods, "domains": domains}))
    lines += ["", "What measures the figures, and the methods that were trained with it:", ""]
    return "\n".join([*lines, *(f"- {text}" for text in told)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(
        description="Write docs/results.md from tables of comparisons."
    )
    parser.add_argument("outputs", nargs="+", help="outputs of workflows/compare_methods.py")
    parser.add_argument("--to", type=Path, default=RESULTS, help="the page to write")
    args = parser.parse_args(arguments)
    former = args.to.read_text() if args.to.exists() else ""
    args.to.write_text(document(read_tables(args.outputs), read_claims(), former))
    print(args.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
