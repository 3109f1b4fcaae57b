"""Write docs/results.md from the tables of comparisons: the main table, and the paper's claims.

    python docs/results.py runs/compare runs/variants

Where several comparisons have the same label, the first that is named counts. What people have
written between the marks of a section stays as it is.
"""

import argparse
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from claims import (
    Claim,
    Finding,
    Key,
    evenness,
    judge,
    label_of,
    read_claims,
    verdict,
)

from itportrait.io import uris
from itportrait.learning.bootstrap import Estimate
from itportrait.pages.comparison import ComparedDomain, ComparedMethod, ComparedScore, Comparison
from itportrait.pages.comparison.index import ScoreIndex, within
from itportrait.pages.comparison.measures import Measure
from itportrait.pages.comparison.tables import HEADINGS

HEAD = """# Results

Made by `docs/results.py` from tables of comparisons; only the prose between the marks is written by
hand. Intervals are 95 % bootstrap intervals over portraits and seeds, those of a difference over
pairs of the same portrait, domain and seed. A claim holds where the interval of the difference lies
on the claimed side of 0, does not hold where it lies on the other side, and is not decided where it
holds 0. In the tables of all methods the best is bold, ≈ marks values within the best's interval,
and italics are means of fewer measurements, which are never called the best.
"""
RESULTS = Path(__file__).resolve().parent / "results.md"
_PROSE = re.compile(r"<!-- prose: ([\w-]+) -->\n(.*?)<!-- end of prose -->", re.DOTALL)
_NOT_MEASURED = {"label", "domain", "seed", "method", "mode", "portrait", "record_id", "status"}
Row = dict[str, Any]
_ARROWS = {"more": " ↑", "less": " ↓", None: ""}


@dataclass(frozen=True)
class Tables:
    """What comparisons have found.

    Args:
        measured: label -> metric -> domain, portrait and seed -> value.
        scores: over all domains and seeds, and the single ones of whole styles.
        runs: of each comparison its output and the labels that are taken from it.
    """

    measured: dict[str, dict[str, dict[Key, float]]]
    scores: list[ComparedScore]
    runs: list[tuple[str, list[str]]]


def read_tables(outputs: Sequence[str]) -> Tables:
    """Read the tables of comparisons.

    Raises:
        SystemExit: an output has no tables, or two are of different base models.
    """
    tables, models = Tables({}, [], []), {}
    for output in outputs:
        scores, portraits = (_rows(output, name) for name in ("scores", "portraits"))
        if not scores:
            sys.exit(f"{output} holds no scores; run workflows/compare_methods.py with this output")
        run = uris.read_json(uris.join(output, "run.json")) or {}
        models[output] = run.get("models", {}).get("id")
        new = [label for label in _labels(scores) if label not in tables.measured]
        tables.runs.append((output, new))
        for label in new:
            own = [row for row in scores if row["label"] == label]
            tables.measured[label] = _measured(
                own, [row for row in portraits if row["label"] == label]
            )
            names = ComparedScore.__dataclass_fields__
            tables.scores.extend(
                ComparedScore(**{name: row[name] for name in names if name in row}) for row in own
            )
    if len(set(models.values())) > 1:
        named = ", ".join(f"{output}: {model}" for output, model in models.items())
        sys.exit(f"the comparisons are of different base models and cannot be joined ({named})")
    return tables


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
            tables.scores,
        )
    )
    whole = (None, None)
    parts = []
    for source, heading in {**HEADINGS, "cost": "Cost"}.items():
        if measures := index.measures([source], whole):
            heads = [f"{measure.label}{_ARROWS[measure.better]}" for measure in measures]
            rows = [
                [f"`{label}`", *(_figure(index, label, measure) for measure in measures)]
                for label in labels
            ]
            parts.append(f"### {heading}\n\n{table(['method', *heads], rows)}")
    return "\n".join(parts)


def _figure(index: ScoreIndex, label: str, measure: Measure) -> str:
    score, best = index.get(label, measure.name), index.best(measure, (None, None))
    if score is None or score.value is None:
        return f"– ({index.missing(label, measure.name, (None, None))})"
    text = measure.written(score.value)
    if score.low is not None and score.high is not None:
        text += f" [{measure.written(score.low)}, {measure.written(score.high)}]"
    if not index.whole(score):
        return f"*{text}*"
    if best is None or not within(score, best):
        return text
    return f"**{text}**" if score is best else f"≈ {text}"


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
    runs = [
        f"- `{Path(output).name}`: {', '.join(f'`{label}`' for label in labels) or 'nothing new'}"
        for output, labels in tables.runs
    ]
    return "\n".join([HEAD, *runs])


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
