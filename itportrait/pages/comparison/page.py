"""The page of a comparison, put together: pictures, scores, scatter, costs, failures, settings."""

import html
import json
from collections import Counter
from string import Template

from itportrait.pages.comparison.choice import choice
from itportrait.pages.comparison.data import SOURCES, ComparedFailure, Comparison
from itportrait.pages.comparison.index import ScoreIndex
from itportrait.pages.comparison.pictures import Grid
from itportrait.pages.comparison.scatter import scatter_measures, scatter_panels
from itportrait.pages.comparison.tables import (
    LEGEND,
    NOTE,
    cost_table,
    scope_name,
    score_panels,
    score_scopes,
)
from itportrait.pages.page import render_page, table, template

_NARROWEST, _MARGINS = 86, 40
"""Pixels of the narrowest column of pictures with its gap, and of the page's margins."""
_TURNING = (
    "Move over a picture, drag it, or focus it and press ← and → to turn the head; ↑ and ↓ go to "
    "the next portrait. A click or Enter shows all views."
)


def render_comparison(
    comparison: Comparison,
    *,
    title: str = "Comparison of methods",
    subtitle: str = "",
    footer: str = "",
) -> str:
    """Return `index.html` of a comparison: self-contained, no script or picture from elsewhere.

    Args:
        comparison: what to show.
        title: heading.
        subtitle: a line below it.
        footer: a line at the end, such as the configuration's fingerprint.

    Raises:
        InvalidArgumentError: the views of a portrait are not bytes of a WebP.
    """
    index = ScoreIndex(comparison)
    sections = [
        f"<style>{template('comparison.css')}{_stacked(comparison)}</style>",
        _scores(index, comparison),
        _scatter(index),
        _pictures(comparison),
        _section("Cost of each method", cost_table(index)),
        _failures(comparison),
        _settings(comparison),
        f"<script>{template('comparison.js')}</script>",
    ]
    return render_page(
        title=title,
        subtitle=subtitle,
        chips=_chips(comparison),
        sections=[section for section in sections if section],
        footer=footer,
    )


def _stacked(comparison: Comparison) -> str:
    """Return the style of pages too narrow for one column a method: cells flow below the name."""
    columns = len(comparison.methods) + 3
    width = f"{_MARGINS + _NARROWEST * columns}px"
    return Template(template("comparison-stacked.css")).substitute(width=width)


def _section(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>{body}" if body else ""


def _chips(comparison: Comparison) -> str:
    seeds = {score.seed for score in comparison.scores} | {p.seed for p in comparison.pictures}
    counts = {
        "methods": len(comparison.methods),
        "domains": len(comparison.domains),
        "portraits": comparison.portrait_count or len(comparison.portraits),
        "seeds": len(seeds - {None}),
        "failures": len(comparison.failures) + len(comparison.lost),
    }
    return "".join(
        f'<span class="chip{" failed" if name == "failures" and count else ""}">'
        f"<b>{count:,}</b>{name.removesuffix('s') if count == 1 else name}</span>"
        for name, count in counts.items()
    )


def _scores(index: ScoreIndex, comparison: Comparison) -> str:
    scopes = score_scopes(index)
    if not scopes:
        return ""
    chosen = choice("scores", "Domain", [scope_name(scope) for scope in scopes])
    notes = "".join(f'<p class="note">{html.escape(text)}</p>' for text in (NOTE, LEGEND))
    return _section("Scores", f"{notes}{_meanings(index, comparison)}{chosen}{score_panels(index)}")


def _meanings(index: ScoreIndex, comparison: Comparison) -> str:
    facts = "".join(
        f"<dt>{html.escape(measure.label)}</dt><dd>{html.escape(measure.meaning)}</dd>"
        for measure in index.measures(SOURCES)
        if measure.meaning
    )
    judges = "".join(f"<li>{html.escape(text)}</li>" for text in comparison.judges)
    return (
        '<details class="meanings"><summary>What each figure says, and what measures it</summary>'
        f'<dl class="facts">{facts}</dl>{f"<ul>{judges}</ul>" if judges else ""}</details>'
    )


def _scatter(index: ScoreIndex) -> str:
    measures = scatter_measures(index)
    if not measures:
        return ""
    chosen = choice("scatter", "Style by", [measure.label for measure in measures])
    note = (
        '<p class="note">One point a method, over all domains, with the 95 % interval of both '
        "figures. Faint points are single domains; those of a method stand out when it is pointed "
        "at or focused.</p>"
    )
    return _section(
        "Style against identity",
        f'{chosen}<div class="card plot">{scatter_panels(index)}</div>{note}',
    )


def _pictures(comparison: Comparison) -> str:
    grid = Grid(comparison)
    if not grid.scopes():
        return ""
    figures = grid.figures()
    told = f" Below each picture: {figures}." if figures else ""
    told += _part(comparison)
    most = max((picture.views.count for picture in comparison.pictures), default=1)
    names = [*comparison.view_names[:most]]
    names += [f"view {position + 1}" for position in range(len(names), most)]
    slider = (
        f'<label class="pick">Turn all <input type="range" id="turn-all" min="0" '
        f'max="{most - 1}" value="0" autocomplete="off"> <output for="turn-all">'
        f"{html.escape(names[0])}</output></label>"
        if most > 1
        else ""
    )
    # JSON in a script element: only `<` could end it.
    spoken = json.dumps(names).replace("<", "\\u003c")
    return _section(
        "Portraits",
        f'<p class="note">{html.escape(_TURNING + told)}</p><div class="controls">'
        f"{choice('pictures', 'Domain', grid.names())}{slider}</div>"
        f'<script type="application/json" id="view-names">{spoken}</script>{grid.html()}',
    )


def _part(comparison: Comparison) -> str:
    """Return in words what the pictures leave out; "" where they show all."""
    shown, seeds = len(comparison.portraits), {score.seed for score in comparison.scores}
    told = f" {shown} of {comparison.portrait_count:,} portraits are shown"
    told = f"{told}." if comparison.portrait_count > shown else ""
    pictured = {picture.seed for picture in comparison.pictures}
    if len(pictured) == 1 and seeds - pictured - {None}:
        told += f" All pictures are of seed {pictured.pop()}."
    return told


def _failures(comparison: Comparison) -> str:
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], ComparedFailure] = {}
    places: dict[tuple[str, str], set[str]] = {}
    for failure in comparison.failures:
        key = (failure.label, failure.reason)
        counts[key] += 1
        first.setdefault(key, failure)
        places.setdefault(key, set()).add(failure.domain)
    order = [domain.name for domain in comparison.domains]
    rows: list[list[object]] = [
        [
            label,
            reason,
            count,
            ", ".join(sorted(places[label, reason], key=order.index)),
            first[label, reason].portrait or "the style itself",
        ]
        for (label, reason), count in counts.most_common()
    ]
    for reason, times in Counter(reason for _, reason in comparison.lost).most_common():
        name = next(name for name, why in comparison.lost if why == reason)
        rows.append(["all methods", reason, times, "all domains", name])
    heads = ("method", "reason", "times", "domains", "first of them")
    body = table(heads, rows) if rows else "<p>Nothing failed.</p>"
    return _section("What failed, and why", f'<div class="failures">{body}</div>')


def _settings(comparison: Comparison) -> str:
    rows = [
        [method.label, method.method, method.mode, method.about] for method in comparison.methods
    ]
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in comparison.settings.items()
    )
    config = (
        f'<pre tabindex="0">{html.escape(comparison.config)}</pre>' if comparison.config else ""
    )
    listed = f'<dl class="facts">{facts}</dl>' if facts else ""
    return (
        '<details class="settings"><summary>Configuration: seeds, portraits, domains, steps'
        f"</summary>{listed}{table(('method', 'kind', 'mode', 'settings'), rows)}{config}</details>"
    )
