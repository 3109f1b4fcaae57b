"""The tables of scores and of costs: methods x metrics, the best in bold with its interval."""

import html
from collections.abc import Iterable, Sequence
from itertools import groupby

from itportrait.pages.comparison.choice import panel
from itportrait.pages.comparison.data import SOURCES, ComparedScore
from itportrait.pages.comparison.index import Scope, ScoreIndex
from itportrait.pages.measures import Measure

HEADINGS = {
    "guide": "From CLIP, which guides most methods",
    "truth": "Not from CLIP: truth",
    "identity": "Not from CLIP: identity",
    "depth": "Not from CLIP: depth",
    "features": "Not from CLIP: features",
}
"""Heading of the columns of each source."""

NOTE = (
    "Columns under CLIP come from the model that guides most methods, so a method can score well "
    "there without looking right. The other columns do not come from CLIP. A figure is no "
    "independent judge of a method whose losses look through the same network."
)
LEGEND = (
    "↑ more is better, ↓ less is better. The best is bold; ≈ marks values that are not certainly "
    "worse, since the interval of their paired difference to the best holds 0; ? stands at a best "
    "value that no interval tells from the others, such as that of a single portrait and seed. "
    "Below each value stands its 95 % bootstrap interval. Values in italics are means of fewer "
    "measurements than others in their column, of other domains for example, and are never called "
    "the best."
)
_UNDECIDED = '<sup title="no interval tells it from the others">?</sup>'


def score_panels(index: ScoreIndex) -> str:
    """Return HTML of one table for each scope, of which the page shows one at a time."""
    return "".join(
        panel("scores", position, _score_table(index, scope))
        for position, scope in enumerate(score_scopes(index))
    )


def score_scopes(index: ScoreIndex) -> list[Scope]:
    """Return the scopes that have a table of scores."""
    return [scope for scope in index.scopes() if index.measures(HEADINGS, scope)]


def scope_name(scope: Scope) -> str:
    """Return what people call a scope."""
    domain, seed = scope
    name = "all domains" if domain is None else domain
    return name if seed is None else f"{name}, seed {seed}"


def cost_table(index: ScoreIndex) -> str:
    """Return HTML of the costs of each method, over all domains and for each; "" without any."""
    columns = [
        (measure, (domain, None))
        for measure in index.measures(["cost"])
        for domain in (None, *index.domains)
        if any(index.get(label, measure.name, (domain, None)) for label in index.labels)
    ]
    if not columns:
        return ""
    groups = [
        (measure.heading, len(list(items)))
        for measure, items in groupby(columns, key=lambda column: column[0])
    ]
    heads = [_head("all domains" if domain is None else domain) for _, (domain, _) in columns]
    # A style that failed has no costs; the page tells failures right below.
    return _table(index, columns, groups, heads, "Costs of each method", {})


def _score_table(index: ScoreIndex, scope: Scope) -> str:
    measures = [measure for source in SOURCES[:-1] for measure in index.measures([source], scope)]
    groups = [
        (HEADINGS[source], len(list(items)))
        for source, items in groupby(measures, key=lambda measure: index.source(measure.name))
    ]
    heads = [_head(measure.heading, measure.explained) for measure in measures]
    caption = f"Scores of each method, {scope_name(scope)}"
    columns = [(measure, scope) for measure in measures]
    return _table(index, columns, groups, heads, caption, _notes(index, columns))


def _table(
    index: ScoreIndex,
    columns: Sequence[tuple[Measure, Scope]],
    groups: Sequence[tuple[str, int]],
    heads: Sequence[str],
    caption: str,
    notes: dict[str, dict[str, list[str]]],
) -> str:
    top = "".join(
        f'<th scope="colgroup" colspan="{width}" class="group">{html.escape(name)}</th>'
        for name, width in groups
    )
    firsts = _first_columns(width for _, width in groups)
    best = [index.best(measure, scope) for measure, scope in columns]
    rows = []
    for label in index.labels:
        cells = "".join(
            _cell(index, label, column, best[position], notes, position in firsts)
            for position, column in enumerate(columns)
        )
        rows.append(f'<tr><th scope="row"><div>{breakable(label)}</div></th>{cells}</tr>')
    return (
        f'<div class="card table scores" tabindex="0" role="region" '
        f'aria-label="{html.escape(caption)}">'
        f'<table><caption>{html.escape(caption)}</caption><thead><tr><th rowspan="2" scope="col">'
        f"method</th>{top}</tr><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody>"
        f"</table></div>{_footnotes(notes)}"
    )


def _first_columns(widths: Iterable[int]) -> set[int]:
    firsts, position = set(), 0
    for width in widths:
        firsts.add(position)
        position += width
    return firsts


def _head(text: str, title: str = "") -> str:
    return f'<th scope="col" title="{html.escape(title)}">{breakable(text)}</th>'


def _cell(
    index: ScoreIndex,
    label: str,
    column: tuple[Measure, Scope],
    best: ComparedScore | None,
    notes: dict[str, dict[str, list[str]]],
    first: bool,
) -> str:
    measure, scope = column
    score = index.get(label, measure.name, scope)
    edge = " first" if first else ""
    if score is None or score.value is None:
        reason = index.missing(label, measure.name, scope)
        mark = f"<sup>[{list(notes).index(reason) + 1}]</sup>" if reason in notes else ""
        return f'<td class="none{edge}" title="{html.escape(reason)}">–{mark}</td>'
    text, css = measure.written(score.value), ""
    if best is not None and score is best:
        text, css = f"<b>{text}</b>{'' if index.decided(score) else _UNDECIDED}", "best"
    elif score.best:
        text, css = f'<span title="not certainly worse than the best">≈</span> {text}', "near"
    interval = ""
    if score.low is not None and score.high is not None:
        to = "–" if score.low >= 0 else " to "
        interval = f"<small>{measure.written(score.low)}{to}{measure.written(score.high)}</small>"
    title = f"{score.count:,} measurements" if score.count else ""
    css += "" if index.whole(score) else " fewer"
    return f'<td class="{css}{edge}" title="{title}">{text}{interval}</td>'


def _notes(
    index: ScoreIndex, columns: Sequence[tuple[Measure, Scope]]
) -> dict[str, dict[str, list[str]]]:
    """Return each reason of a missing figure, with the methods and metrics that lack it."""
    notes: dict[str, dict[str, list[str]]] = {}
    for measure, scope in columns:
        for label in index.labels:
            if index.get(label, measure.name, scope) is None:
                reason = index.missing(label, measure.name, scope)
                notes.setdefault(reason, {}).setdefault(label, []).append(measure.label)
    return notes


def _footnotes(notes: dict[str, dict[str, list[str]]], most: int = 3) -> str:
    items = []
    for reason, methods in notes.items():
        alike: dict[str, list[str]] = {}
        for label, names in methods.items():
            alike.setdefault(_listed(names, most), []).append(label)
        where = "; ".join(f"{names}: {_listed(labels, most)}" for names, labels in alike.items())
        items.append(f"<li>{html.escape(reason)} <span>({html.escape(where)})</span></li>")
    return f'<ol class="footnotes">{"".join(items)}</ol>' if items else ""


def _listed(names: Sequence[str], most: int) -> str:
    named = list(dict.fromkeys(names))
    rest = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + rest


def breakable(text: str) -> str:
    """Return escaped text that may break after the joints of a name."""
    escaped = html.escape(text)
    for joint in "_+/":
        escaped = escaped.replace(joint, f"{joint}<wbr>")
    return escaped
