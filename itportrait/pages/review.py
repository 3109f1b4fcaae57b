"""The review page: for each reason, the portraits that were rejected, or are the next to be."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from itportrait.pages.page import picture_tag, render_page
from itportrait.records import Status


@dataclass(frozen=True)
class ReviewCase:
    """One portrait.

    Args:
        name: what the user knows it by, such as the file name.
        status: of its row.
        text: what was measured, or the row's message.
        picture: uint8 `[H, W, 3]` of the face or the photo, where it could be read.
    """

    name: str
    status: Status
    text: str
    picture: np.ndarray | None = None


@dataclass(frozen=True)
class ReviewGroup:
    """One reason.

    Args:
        title: stage and reason.
        count: rows of the whole run with this reason.
        setting: the threshold and its value, "" where there is none.
        cases: the worst first.
    """

    title: str
    count: int
    setting: str = ""
    cases: Sequence[ReviewCase] = field(default_factory=tuple)


def render_review(
    groups: Sequence[ReviewGroup],
    *,
    subtitle: str = "",
    links: Mapping[str, str] | None = None,
    footer: str = "",
    max_side: int = 170,
) -> str:
    """Return `review.html`: self-contained, no script or picture from elsewhere.

    Args:
        groups: those that turned most away come first; those that turned none away are folded
            up at the end, and those without cases are left out.
        subtitle: a line below the heading.
        links: addresses of the run's other pages, by what they are called.
        footer: a line at the end, such as the fingerprint.
        max_side: pictures are shrunk to this many pixels.
    """
    shown = [group for group in groups if group.cases]
    away = sorted((group for group in shown if group.count), key=lambda group: -group.count)
    near = [group for group in shown if not group.count]
    sections = [_section("Turned away", away, max_side)] if away else []
    if near:
        reasons = "1 reason" if len(near) == 1 else f"{len(near)} reasons"
        sections.append(
            f'<details class="near"><summary>Passed, but nearest to a limit ({reasons})</summary>'
            f"{''.join(_group(group, max_side) for group in near)}</details>"
        )
    if not away:
        said = "Nothing was turned away." if near else "Nothing was turned away or measured."
        sections.insert(0, f'<p class="note">{said}</p>')
    chips = "".join(
        f'<span class="chip"><b>{group.count:,}</b>{html.escape(group.title)}</span>'
        for group in groups
        if group.count
    )
    return render_page(
        title="Review: the worst per reason",
        subtitle=subtitle,
        links=links,
        chips=chips,
        sections=sections,
        footer=footer,
    )


def _section(title: str, groups: Sequence[ReviewGroup], side: int) -> str:
    return f"<h2>{title}</h2>{''.join(_group(group, side) for group in groups)}"


def _group(group: ReviewGroup, side: int) -> str:
    about = [f"{group.count:,} turned away" if group.count else "none turned away"]
    if group.setting:
        about.append(group.setting)
    if not group.count:
        about.append("the nearest to it")
    cases = "".join(_case(case, side) for case in group.cases)
    return (
        f'<h3 class="reason">{html.escape(group.title)}</h3>'
        f'<p class="soft small">{html.escape("; ".join(about))}</p>'
        f'<div class="faces">{cases}</div>'
    )


def _case(case: ReviewCase, side: int) -> str:
    picture = '<div class="none">no picture</div>'
    if case.picture is not None:
        picture = picture_tag(case.picture, case.name, side)
    return (
        f'<figure>{picture}<figcaption><b class="{case.status}">{case.status}</b> '
        f"{html.escape(case.text)}<br>{html.escape(case.name)}</figcaption></figure>"
    )
