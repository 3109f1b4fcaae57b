"""What the figures of portraits and domains say, and which direction is better."""

import html
from collections.abc import Iterable

from itportrait.pages.measures import Measure, measure_of

SHOWN = tuple(
    map(
        measure_of,
        (
            "clip_direction",
            "clip_image",
            "clip_image_gain",
            "identity",
            "view_consistency",
            "depth_distance",
            "depth_variance",
            "diversity",
            "kid_ratio",
        ),
    )
)
"""Figures that the gallery shows, in this order; others are left to the tables."""


def term(measure: Measure) -> str:
    """Return HTML of a figure's name with its direction; its meaning appears on hover."""
    title = html.escape(measure.explained, quote=True)
    return f'<span title="{title}">{html.escape(measure.heading)}</span>'


def legend(present: Iterable[str]) -> str:
    """Return HTML that explains the figures of these names; "" without any."""
    names = set(present)
    rows = "".join(
        f"<dt>{term(measure)}</dt><dd>{html.escape(measure.explained)}</dd>"
        for measure in SHOWN
        if measure.name in names
    )
    if not rows:
        return ""
    return (
        '<details class="legend"><summary>What the figures say (↑ more is better, ↓ less is '
        f'better)</summary><dl class="facts">{rows}</dl></details>'
    )
