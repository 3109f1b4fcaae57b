"""The scatter of style against identity: one point a method, drawn as SVG by hand."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from itportrait.pages.comparison.choice import panel
from itportrait.pages.comparison.data import ComparedScore
from itportrait.pages.comparison.index import ScoreIndex
from itportrait.pages.comparison.labels import Box, nearest_edge, place_labels
from itportrait.pages.measures import Measure, measure_of

STYLES = ("truth_distance", "clip_direction", "kid_ratio", "kid", "fid")
"""Metrics of style that may stand against identity, those that there are."""
_IDENTITY = measure_of("identity")
_LONGEST = 26
_SIZES = (("wide", 920, 460), ("narrow", 316, 400))


@dataclass(frozen=True)
class _Axis:
    """One axis: where a value of its measure stands in the drawing."""

    measure: Measure
    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(
        cls, measure: Measure, scores: Sequence[ComparedScore], start: float, end: float
    ) -> "_Axis":
        values = [v for s in scores for v in (s.value, s.low, s.high) if v is not None]
        low, high = min(values), max(values)
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
        if measure.better == "less":
            start, end = end, start
        return cls(measure, low - margin, high + margin, start, end)

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step) + 1)]


def scatter_measures(index: ScoreIndex) -> list[Measure]:
    """Return the metrics of style of which some method has a figure, and of identity as well."""
    return [measure_of(name) for name in STYLES if _pairs(index, name)]


def scatter_panels(index: ScoreIndex) -> str:
    """Return HTML of one scatter for each metric of style, of which the page shows one."""
    return "".join(
        panel(
            "scatter",
            position,
            "".join(_drawing(index, measure, *size) for size in _SIZES),
        )
        for position, measure in enumerate(scatter_measures(index))
    )


def _pairs(
    index: ScoreIndex, style: str, domain: str | None = None
) -> dict[str, tuple[ComparedScore, ComparedScore]]:
    """Return identity and style of the methods that have both."""
    found = {}
    for label in index.labels:
        x = index.get(label, "identity", (domain, None))
        y = index.get(label, style, (domain, None))
        if x is not None and y is not None:
            found[label] = (x, y)
    return found


def _drawing(index: ScoreIndex, style: Measure, css: str, width: int, height: int) -> str:
    pairs = _pairs(index, style.name)
    faint = {domain: _pairs(index, style.name, domain) for domain in index.domains}
    shown = [pair for group in (pairs, *faint.values()) for pair in group.values()]
    left, right, top, bottom = 52, width - 10, 26, height - 44
    x_axis = _Axis.over(_IDENTITY, [x for x, _ in shown], left, right)
    y_axis = _Axis.over(style, [y for _, y in shown], bottom, top)
    points = [(x_axis.at(x.value or 0), y_axis.at(y.value or 0)) for x, y in pairs.values()]
    texts = [_short(label) for label in pairs]
    lines = [
        Box(min(x0, x1) - 2, min(y0, y1) - 2, abs(x1 - x0) + 4, abs(y1 - y0) + 4)
        for pair in pairs.values()
        for x0, y0, x1, y1 in _whiskers(pair, (x_axis, y_axis))
    ]
    boxes = place_labels(points, texts, Box(left, top, right - left, bottom - top), lines)
    marks = [
        _method(label, pairs[label], faint, (x_axis, y_axis), text, box)
        for label, text, box in zip(pairs, texts, boxes, strict=True)
    ]
    name = f"{style.label} against identity"
    return (
        f'<svg class="scatter {css}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="group" aria-label="{html.escape(name)}">'
        f"{_frame(x_axis, y_axis, width, height)}{''.join(marks)}</svg>"
    )


def _frame(x_axis: _Axis, y_axis: _Axis, width: int, height: int) -> str:
    left, right = x_axis.start, x_axis.end
    top, bottom = sorted((y_axis.start, y_axis.end))
    lines = [
        f'<rect class="frame" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>'
    ]
    for value in x_axis.ticks(max(4, width // 110)):
        x = f"{x_axis.at(value):.1f}"
        lines.append(f'<path class="rule" d="M{x} {top}V{bottom}"/>')
        lines.append(
            f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="middle">{value:.4g}</text>'
        )
    for value in y_axis.ticks(height // 50):
        y = y_axis.at(value)
        lines.append(f'<path class="rule" d="M{left} {y:.1f}H{right}"/>')
        lines.append(
            f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" '
            f'text-anchor="end">{value:.4g}</text>'
        )
    lines.append(
        f'<text class="axis" x="{right}" y="{height - 8}" text-anchor="end">'
        "Identity, right is better →</text>"
    )
    lines.append(
        f'<text class="axis" x="2" y="14">↑ {html.escape(y_axis.measure.label)}, '
        "up is better</text>"
    )
    return "".join(lines)


def _method(
    label: str,
    pair: tuple[ComparedScore, ComparedScore],
    faint: dict[str, dict[str, tuple[ComparedScore, ComparedScore]]],
    axes: tuple[_Axis, _Axis],
    text: str,
    box: Box,
) -> str:
    (x_score, y_score), (x_axis, y_axis) = pair, axes
    x, y = x_axis.at(x_score.value or 0), y_axis.at(y_score.value or 0)
    style = y_axis.measure
    told = f"{label}: identity {_told(_IDENTITY, x_score)}, {style.label} {_told(style, y_score)}"
    parts = [f"<title>{html.escape(told)}</title>"]
    for domain, pairs in faint.items():
        if label in pairs:
            across, up = pairs[label]
            parts.append(
                f'<circle class="faint" cx="{x_axis.at(across.value or 0):.1f}" '
                f'cy="{y_axis.at(up.value or 0):.1f}" r="3"><title>'
                f"{html.escape(f'{label}, {domain}')}</title></circle>"
            )
    parts += [
        f'<path class="whisker" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>'
        for x0, y0, x1, y1 in _whiskers(pair, axes)
    ]
    near = nearest_edge(box, (x, y))
    if math.dist(near, (x, y)) > 12:
        parts.append(f'<path class="leader" d="M{x:.1f} {y:.1f}L{near[0]:.1f} {near[1]:.1f}"/>')
    parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
    parts.append(
        f'<text class="label" x="{box.left + box.width / 2:.1f}" y="{box.top + 11:.1f}" '
        f'text-anchor="middle">{html.escape(text)}</text>'
    )
    return (
        f'<g class="method" tabindex="0" role="img" aria-label="{html.escape(told)}">'
        f"{''.join(parts)}</g>"
    )


def _whiskers(
    pair: tuple[ComparedScore, ComparedScore], axes: tuple[_Axis, _Axis]
) -> list[tuple[float, float, float, float]]:
    """Return the lines of the intervals of both figures, those that there are."""
    (across, up), (x_axis, y_axis) = pair, axes
    x, y = x_axis.at(across.value or 0), y_axis.at(up.value or 0)
    lines: list[tuple[float, float, float, float]] = []
    if across.low is not None and across.high is not None:
        lines.append((x_axis.at(across.low), y, x_axis.at(across.high), y))
    if up.low is not None and up.high is not None:
        lines.append((x, y_axis.at(up.low), x, y_axis.at(up.high)))
    return lines


def _told(measure: Measure, score: ComparedScore) -> str:
    text = measure.written(score.value or 0)
    if score.low is None or score.high is None:
        return text
    return f"{text} ({measure.written(score.low)} to {measure.written(score.high)})"


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
