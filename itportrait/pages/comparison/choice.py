"""Choices of what the page shows: a row of buttons or a list, and the panels they switch."""

import html
from collections.abc import Sequence

_MOST_BUTTONS = 8


def choice(name: str, legend: str, options: Sequence[str]) -> str:
    """Return HTML of a choice among the panels of a name; "" where there is only one.

    Args:
        name: of the panels.
        legend: what is chosen; plain text, as are the options.
        options: one for each panel, in order; the first is chosen.
    """
    if len(options) < 2:
        return ""
    if len(options) > _MOST_BUTTONS:
        items = "".join(
            f'<option value="{position}">{html.escape(option)}</option>'
            for position, option in enumerate(options)
        )
        return (
            f'<label class="pick">{html.escape(legend)} <select data-choice="{name}" '
            f'autocomplete="off">{items}</select></label>'
        )
    items = "".join(
        f'<label><input type="radio" name="{name}" data-choice="{name}" value="{position}" '
        f'autocomplete="off"{"" if position else " checked"}><span>{html.escape(option)}</span>'
        "</label>"
        for position, option in enumerate(options)
    )
    return f'<fieldset class="pick"><legend>{html.escape(legend)}</legend>{items}</fieldset>'


def panel(name: str, position: int, content: str) -> str:
    """Return HTML of one panel; the first is shown until another is chosen."""
    hidden = " hidden" if position else ""
    return f'<div data-panel="{name}" data-position="{position}"{hidden}>{content}</div>'
