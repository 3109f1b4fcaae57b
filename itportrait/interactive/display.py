"""How portraits look in a notebook: the sheet, and what became no portrait, with its reason."""

import base64
import html
from collections.abc import Mapping, Sequence


def as_html(
    title: str,
    sheet: bytes | None,
    bad: Sequence[tuple[str, str]],
    warnings: Mapping[str, Sequence[str]],
    note: str = "",
) -> str:
    """Return HTML of portraits; all text is escaped.

    Args:
        title: what the picture shows, for those who cannot see it.
        sheet: the picture, PNG; None where there is nothing to be seen.
        bad: name and reason of what is no portrait.
        warnings: what should be known of domains, by name.
        note: written below the picture.
    """
    parts = [f"<p>{html.escape(title)}</p>"]
    if sheet is not None:
        data = base64.b64encode(sheet).decode()
        parts = [
            f'<img alt="{html.escape(title, quote=True)}" style="max-width:100%" '
            f'src="data:image/png;base64,{data}">'
        ]
    if note:
        parts.append(f"<p>{html.escape(note)}</p>")
    said = [(name, reason) for name, reason in bad]
    said += [(f"domain {name}", text) for name, texts in warnings.items() for text in texts]
    if said:
        lines = "".join(
            f"<li><b>{html.escape(name)}</b>: {html.escape(text)}</li>" for name, text in said
        )
        parts.append(f"<ul>{lines}</ul>")
    return "".join(parts)
