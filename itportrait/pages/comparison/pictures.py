"""The pictures: methods as columns, portraits as rows, one panel a domain and seed."""

import base64
import html
import json
from collections.abc import Sequence

from itportrait.errors import InvalidArgumentError
from itportrait.pages.comparison.choice import panel
from itportrait.pages.comparison.data import ComparedDomain, ComparedPicture, Comparison
from itportrait.pages.comparison.tables import breakable
from itportrait.pages.measures import measure_of
from itportrait.pages.views import Views

FIGURES = ("truth_distance", "clip_direction", "identity")
"""Metrics of single portraits that may stand below a picture; at most two are shown."""


class _Strips:
    """Pictures of one script element, which the page decodes only when it shows them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._strips: list[str] = []

    def add(self, views: Views) -> str:
        """Keep a strip and return how a cell names it."""
        if views.webp[:4] != b"RIFF" or views.webp[8:12] != b"WEBP":
            raise InvalidArgumentError(
                "views.webp",
                expected="bytes of a WebP",
                actual=f"{len(views.webp)} bytes that begin with {views.webp[:4]!r}",
                remedy="make it with encode_views()",
            )
        self._strips.append(base64.b64encode(views.webp).decode())
        return f"{self.name}:{len(self._strips) - 1}"

    def script(self) -> str:
        """Return the element."""
        return (
            f'<script type="application/json" id="strips-{self.name}">'
            f"{json.dumps(self._strips)}</script>"
        )


class Grid:
    """The panels of pictures of a comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._pictures = {
            (picture.domain, picture.seed, picture.portrait, picture.label): picture
            for picture in comparison.pictures
        }
        self._reasons = {
            (failure.label, failure.domain, failure.seed, failure.portrait): failure.reason
            for failure in comparison.failures
        }
        self._figures = _figures(comparison.pictures)
        shared = _Strips("all")
        self._photos = {
            portrait.name: shared.add(portrait.photo)
            for portrait in comparison.portraits
            if portrait.photo is not None
        }
        self._bases = {
            portrait.name: shared.add(portrait.base)
            for portrait in comparison.portraits
            if portrait.base is not None
        }
        self._shared = shared

    def scopes(self) -> list[tuple[ComparedDomain, int]]:
        """Return domains and seeds to show; without any picture, those of the failures."""
        comparison = self._comparison
        seeds = {picture.seed for picture in comparison.pictures}
        seeds = seeds or {failure.seed or 0 for failure in comparison.failures}
        shown = sorted(seeds) if comparison.portraits else []
        return [(domain, seed) for seed in shown for domain in comparison.domains]

    def names(self) -> list[str]:
        """Return what people call each panel."""
        several = len({seed for _, seed in self.scopes()}) > 1
        return [
            f"{domain.name}, seed {seed}" if several else domain.name
            for domain, seed in self.scopes()
        ]

    def figures(self) -> str:
        """Return in words which figures stand below the pictures; "" where none do."""
        return ", ".join(measure_of(name).label.lower() for name in self._figures)

    def html(self) -> str:
        """Return all panels, the first of them shown."""
        panels = [
            panel("pictures", position, self._panel(position, domain, seed))
            for position, (domain, seed) in enumerate(self.scopes())
        ]
        return self._shared.script() + "".join(panels)

    def _panel(self, position: int, domain: ComparedDomain, seed: int) -> str:
        strips = _Strips(str(position))
        truth = any(domain.name in portrait.truth for portrait in self._comparison.portraits)
        labels = [method.label for method in self._comparison.methods]
        heads = ["input", "base", *(["truth"] if truth else []), *labels]
        lines = []
        for portrait in self._comparison.portraits:
            name = portrait.name
            cells = [
                _cell(f"{name}, input", "input", self._photos.get(name), portrait.photo),
                _cell(f"{name}, base", "base", self._bases.get(name), portrait.base),
            ]
            if truth:
                views = portrait.truth.get(domain.name)
                strip = None if views is None else strips.add(views)
                cells.append(_cell(f"{name}, {domain.name}, truth", "truth", strip, views))
            cells += [self._method(strips, domain.name, seed, name, label) for label in labels]
            lines.append(
                f'<div role="row" class="line"><span role="rowheader" class="name">'
                f"{html.escape(name)}</span>{''.join(cells)}</div>"
            )
        columns = "".join(f'<span role="columnheader">{breakable(head)}</span>' for head in heads)
        return (
            f'{_about(domain, strips)}<div class="grid" role="table" style="--columns:{len(heads)}"'
            f' aria-label="{html.escape(f"Portraits in {domain.name}")}">'
            f'<div role="row" class="heads"><span role="columnheader" class="name">portrait</span>'
            f"{columns}</div>{''.join(lines)}</div>{strips.script()}"
        )

    def _method(self, strips: _Strips, domain: str, seed: int, portrait: str, label: str) -> str:
        picture = self._pictures.get((domain, seed, portrait, label))
        if picture is None:
            keys = [(seed, portrait), (None, portrait), (seed, None), (None, None)]
            reasons = [self._reasons.get((label, domain, *key)) for key in keys]
            return _missing(label, next(filter(None, reasons), "not computed"))
        figures = " · ".join(
            measure_of(name).written(picture.figures[name]) if name in picture.figures else "–"
            for name in self._figures
        )
        alt = f"{portrait}, {domain}, {label}"
        return _cell(alt, label, strips.add(picture.views), picture.views, figures)


def _figures(pictures: Sequence[ComparedPicture]) -> list[str]:
    present = {name for picture in pictures for name in picture.figures}
    named = [name for name in FIGURES if name in present]
    return [named[0], named[-1]] if len(named) > 1 else named


def _about(domain: ComparedDomain, strips: _Strips) -> str:
    parts = []
    if domain.reference is not None:
        strip = strips.add(domain.reference)
        alt = f"reference of {domain.name}"
        parts.append(
            f'<img data-strip="{strip}" style="--count:{domain.reference.count}" '
            f'alt="{html.escape(alt)}">'
        )
    words = f"<h3>{html.escape(domain.name)}</h3>"
    if domain.prompt is not None:
        words += f'<p class="prompt">{html.escape(domain.prompt)}</p>'
    return f'<div class="about">{"".join(parts)}<div>{words}</div></div>'


def _cell(alt: str, label: str, strip: str | None, views: Views | None, figures: str = "") -> str:
    if strip is None or views is None:
        return _missing(label, "no picture")
    turns = ' tabindex="0"' if views.count > 1 else ""
    below = f"<small>{figures}</small>" if figures else ""
    escaped = html.escape(alt)
    return (
        f'<div role="cell" class="cell" data-views="{views.count}"{turns}>'
        f'<img data-strip="{strip}" data-alt="{escaped}" alt="{escaped}" '
        f'style="--count:{views.count}" draggable="false">'
        f'<span class="label">{breakable(label)}</span>{below}</div>'
    )


def _missing(label: str, reason: str) -> str:
    return (
        f'<div role="cell" class="cell missing" tabindex="0" title="{html.escape(reason)}">'
        f"<p>{html.escape(reason)}</p>"
        f'<span class="label">{breakable(label)}</span></div>'
    )
