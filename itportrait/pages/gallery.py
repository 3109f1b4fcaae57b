"""The gallery: one HTML file with everything in it, to be looked at, sent and kept."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.pages.legend import SHOWN, legend, term
from itportrait.pages.page import picture_tag, render_page, status_chips, template
from itportrait.pages.reel import reel, reel_views
from itportrait.pages.viewer import mesh_viewer, viewer_script
from itportrait.pages.views import Views
from itportrait.records import AlignedRecord, InvertedRecord, Record, Status, StylizedRecord


@dataclass(frozen=True)
class GalleryPortrait:
    """One input and its results.

    Args:
        name: what the user knows it by, such as the file name.
        aligned: row of the align stage.
        photo: uint8 `[H, W, 3]` of the input, where it could be decoded.
        inverted: row of the invert stage, where it was reached.
        stylized: rows of the stylize stage by domain.
        turns: frames from one side to the other by domain, from `reel_views`; without them the
            portrait turns through its views.
        ways: frames from the photo to the style by domain, where there are any.
        films: address of the turntable's file by domain, relative to the page.
        meshes: address of the mesh's file, relative to the page, and its content by domain: a GLB
            with a texture, which turns on the page.
        unlike: distance from what the models draw, where it is beyond what they know; None within.
    """

    name: str
    aligned: AlignedRecord
    photo: np.ndarray | None = None
    inverted: InvertedRecord | None = None
    stylized: Mapping[str, StylizedRecord] = field(default_factory=dict)
    turns: Mapping[str, Views] = field(default_factory=dict)
    ways: Mapping[str, Views] = field(default_factory=dict)
    films: Mapping[str, str] = field(default_factory=dict)
    meshes: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    unlike: float | None = None

    def last(self) -> Record:
        """Return the row that decides the portrait's status: the first bad one, or the last."""
        rows: list[Record] = [self.aligned]
        if self.inverted is not None:
            rows += [self.inverted, *self.stylized.values()]
        return next((row for row in rows if row.status is not Status.OK), rows[-1])


@dataclass(frozen=True)
class GalleryDomain:
    """One style domain.

    Args:
        name: of the domain.
        prompt: its text, or None.
        reference: uint8 `[H, W, 3]`, its style image, or None.
        metrics: numbers to show, by name (`clip_direction`, `identity`, ...).
        warnings: what people should know of it.
    """

    name: str
    prompt: str | None = None
    reference: np.ndarray | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def render_gallery(
    portraits: Sequence[GalleryPortrait],
    domains: Sequence[GalleryDomain],
    *,
    title: str = "Stylized portraits",
    subtitle: str = "",
    footer: str = "",
    views: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
    counts: Mapping[str, int] | None = None,
    max_side: int = 256,
) -> str:
    """Return `index.html`: self-contained, no script or picture from elsewhere.

    Args:
        portraits: in the order to show them.
        domains: in the order to show them.
        title: heading.
        subtitle: a line below it.
        footer: a line at the end, such as the configuration's fingerprint.
        views: captions of the views (the input's own first); missing ones stay empty.
        links: addresses of the run's other pages, by what they are called.
        counts: totals by status for the whole run; None counts `portraits`, which is right only
            where all of them are shown.
        max_side: pictures are shrunk to this many pixels.

    Raises:
        InvalidArgumentError: two domains have the same name.
    """
    names = [domain.name for domain in domains]
    if len(set(names)) != len(names):
        raise InvalidArgumentError("domains", expected="distinct names", actual=names)
    if counts is None:
        counts = Counter(str(portrait.last().status) for portrait in portraits)
    good = [p for p in portraits if p.inverted is not None and p.inverted.status is Status.OK]
    lost = [p for p in portraits if p.inverted is None or p.inverted.status is not Status.OK]
    sections = []
    if domains:
        cards = "".join(_domain(domain, max_side) for domain in domains)
        sections.append(f'<h2>Domains</h2><div class="domains">{cards}</div>')
        sections.append(legend(name for domain in domains for name in domain.metrics))
    if good:
        cards = "".join(_portrait(portrait, names, views, max_side) for portrait in good)
        sections.append(f"<h2>Portraits</h2>{cards}")
    if lost:
        cards = "".join(_lost(portrait, max_side) for portrait in lost)
        sections.append(f'<h2>Not stylized, and why</h2><div class="lost">{cards}</div>')
    sections.append(f"<script>{template('reel.js')}</script>")
    if any(portrait.meshes for portrait in good):
        sections.append(viewer_script())
    return render_page(
        title=title,
        links=links,
        subtitle=subtitle,
        chips=status_chips(counts),
        sections=sections,
        footer=footer,
    )


def _domain(domain: GalleryDomain, side: int) -> str:
    picture = ""
    if domain.reference is not None:
        picture = picture_tag(domain.reference, f"reference of {domain.name}", side)
    prompt = "" if domain.prompt is None else f'<p class="prompt">{html.escape(domain.prompt)}</p>'
    guided = {
        (True, True): "image and text",
        (True, False): "image",
        (False, True): "text",
    }.get((domain.reference is not None, domain.prompt is not None), "")
    rows = "".join(
        f"<dt>{term(measure)}</dt><dd>{domain.metrics[measure.name]:.3f}</dd>"
        for measure in SHOWN
        if measure.name in domain.metrics
    )
    said = "".join(
        f'<p class="small"><b class="rejected">warning</b> {html.escape(text)}</p>'
        for text in domain.warnings
    )
    return (
        f'<section class="card domain">{picture}<div><h3>{html.escape(domain.name)}</h3>{prompt}'
        f'<p class="soft small">{guided}</p>{said}<dl>{rows}</dl></div></section>'
    )


def _portrait(
    portrait: GalleryPortrait, domains: Sequence[str], views: Sequence[str], side: int
) -> str:
    inverted = portrait.inverted
    assert inverted is not None  # `render_gallery` passes no other
    source = [
        _figure(portrait.photo, "input", side, css="photo"),
        _figure(portrait.aligned.pixels, _aligned_caption(portrait.aligned), side),
        _figure(inverted.pixels, _inverted_caption(inverted), side),
    ]
    name = html.escape(portrait.name, quote=True)
    styles = [
        _style(portrait, style, views, side) for style in domains if style in portrait.stylized
    ]
    return (
        f'<article class="card portrait"><div class="title"><h3 title="{name}">{name}</h3>'
        f'<span class="soft small">{html.escape(inverted.record_id)}</span>{_mark(portrait)}</div>'
        f'<div class="source">{"".join(source)}</div>'
        f'<div class="styles">{"".join(styles)}</div></article>'
    )


def _mark(portrait: GalleryPortrait) -> str:
    if portrait.unlike is None:
        return ""
    return (
        '<span class="small"><b class="rejected">outside of the models\' domain</b> unlike the '
        f"people that they draw (distance {portrait.unlike:.2f}): identity and views say little"
        "</span>"
    )


def _style(portrait: GalleryPortrait, domain: str, views: Sequence[str], side: int) -> str:
    row = portrait.stylized[domain]
    if row.status is not Status.OK:
        return f'<div class="style"><p><b>{html.escape(domain)}</b>{_reason(row)}</p></div>'
    numbers = [
        f"{measure.label} {measure.written(getattr(row, measure.name))}"
        for measure in SHOWN
        if getattr(row, measure.name, None) is not None
    ]
    figures = [
        _figure(pixels, views[index] if index < len(views) else "", side)
        for index, pixels in enumerate(row.pixels)
    ]
    figures += _reels(portrait, domain, row)
    return (
        f'<div class="style"><p><b>{html.escape(domain)}</b>'
        f'<span class="soft small">{" · ".join(numbers)}</span></p>'
        f'<div class="strip">{"".join(figures)}</div></div>'
    )


def _reels(portrait: GalleryPortrait, domain: str, row: StylizedRecord) -> list[str]:
    """Return what moves: the turning head, the way from the photo to the style, and the mesh."""
    made, name = [], f"{portrait.name}, {domain}"
    turn = portrait.turns.get(domain)
    if turn is None and len(row.pixels) > 2:
        turn = reel_views(row.pixels[1:])
    if turn is not None:
        film = portrait.films.get(domain)
        link = f' · <a href="{html.escape(film, quote=True)}">film</a>' if film else ""
        made.append(reel(turn, f"{name}, turned from side to side", f"turn it{link}"))
    way = portrait.ways.get(domain)
    if way is not None:
        made.append(reel(way, f"{name}, from photo to style", "photo to style", start=1.0))
    if domain in portrait.meshes:
        address, glb = portrait.meshes[domain]
        link = f'<a href="{html.escape(address, quote=True)}">mesh</a>'
        made.append(mesh_viewer(glb, f"{name}, mesh", f"turn it · {link}"))
    return made


def _lost(portrait: GalleryPortrait, side: int) -> str:
    picture = "" if portrait.photo is None else picture_tag(portrait.photo, portrait.name, side)
    return (
        f'<section class="card">{picture}<div><h3>{html.escape(portrait.name)}</h3>'
        f'<p class="small">{_reason(portrait.last())}</p></div></section>'
    )


def _reason(row: Record) -> str:
    if row.error is None:
        return f'<b class="{row.status}">{row.status}</b>'
    text = f"{row.error.stage}: {row.error.type}"
    return (
        f'<b class="{row.status}">{row.status}</b> {html.escape(text)}<br>'
        f'<span class="soft">{html.escape(row.error.message)}</span>'
    )


def _aligned_caption(row: AlignedRecord) -> str:
    if row.yaw_rad is None:
        return "aligned"
    return f"aligned · yaw {np.degrees(row.yaw_rad):+.0f}°"


def _inverted_caption(row: InvertedRecord) -> str:
    parts = ["inverted"]
    if row.psnr is not None:
        parts.append(f"{row.psnr:.1f} dB")
    if row.identity is not None:
        parts.append(f"identity {row.identity:.2f}")
    if row.tuning == "tuned":
        parts.append("tuned")
    return " · ".join(parts)


def _figure(pixels: np.ndarray | None, caption: str, side: int, css: str = "") -> str:
    if pixels is None:
        return ""
    return (
        f"<figure>{picture_tag(pixels, caption or 'view', side, css)}"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
