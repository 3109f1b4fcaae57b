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
_ARROWS = {"more": "↑", "less": "↓", None: ""}
_DIRECTIONS = {
    "more": "More is better.",
    "less": "Less is better.",
    None: "Neither direction is better.",
}


def term(measure: Measure) -> str:
    """Return HTML of a figure's name with its direction; its meaning appears on hover."""
    return (
        f'<span title="{html.escape(_meaning(measure), quote=True)}">{html.escape(measure.label)} '
        f"{_ARROWS[measure.better]}</span>".replace(" </span>", "</span>")
    )


def legend(present: Iterable[str]) -> str:
    """Return HTML that explains the figures of these names; "" without any."""
    names = set(present)
    rows = "".join(
        f"<dt>{term(measure)}</dt><dd>{html.escape(_meaning(measure))}</dd>"
        for measure in SHOWN
        if measure.name in names
    )
    if not rows:
        return ""
    return (
        '<details class="legend"><summary>What the figures say (↑ more is better, ↓ less is '
        f'better)</summary><dl class="facts">{rows}</dl></details>'
    )


def _meaning(measure: Measure) -> str:
    return f"{measure.meaning} {_DIRECTIONS[measure.better]}".strip()
