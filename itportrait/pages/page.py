"""The frame of all pages: one HTML file that loads nothing from elsewhere, light and dark."""

import base64
import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.image import encode
from itportrait.pages.contact_sheet import fitted
from itportrait.records import Status
from itportrait.text import shown

NO_FIGURE = "-"
"""What stands in a column of numbers where there is none."""


def render_page(
    *,
    title: str,
    sections: Sequence[str],
    subtitle: str = "",
    links: Mapping[str, str] | None = None,
    chips: str = "",
    footer: str = "",
) -> str:
    """Return a self-contained page.

    Args:
        title: heading; plain text, as are `subtitle` and `footer`.
        sections: HTML of the body, one after the other; their makers have escaped all text.
        subtitle: a line below the heading.
        links: addresses by what they are called, in a line below that; those of other pages of the
            run are relative.
        chips: HTML of the row of figures below it, such as `status_chips` makes.
        footer: a line at the end.
    """
    # Names of files and folders may stand in any part of it.
    page = Template(template("page.html")).substitute(
        style=template("page.css"),
        script=template("page.js"),
        title=html.escape(title),
        subtitle=html.escape(subtitle),
        links=_links(links or {}),
        chips=chips,
        sections="\n".join(sections),
        footer=html.escape(footer),
    )
    return shown(page)


def _links(links: Mapping[str, str]) -> str:
    parts = [
        f'<a href="{html.escape(address, quote=True)}">{html.escape(name)}</a>'
        for name, address in links.items()
    ]
    return f'<nav class="links">{"".join(parts)}</nav>' if parts else ""


def tracking_link(uri: str) -> dict[str, str]:
    """Return the link to the web page of a tracking service; none where it has no such page."""
    return {"MLflow": uri} if uri.startswith(("http://", "https://")) else {}


def template(name: str) -> str:
    """Return the text of a file of `templates/`."""
    return files("itportrait.pages").joinpath(f"templates/{name}").read_text("utf-8")


def status_chips(counts: Mapping[str, int]) -> str:
    """Return HTML of the inputs' number, in all and by status."""
    parts = [f'<span class="chip"><b>{sum(counts.values()):,}</b>inputs</span>']
    for status in [str(status) for status in Status]:
        parts.append(f'<span class="chip {status}"><b>{counts.get(status, 0):,}</b>{status}</span>')
    return "".join(parts)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, digits: int = 2) -> str:
    """Return HTML of a table; all text is escaped.

    Args:
        columns: headings.
        rows: cells, one a column: text stands left, numbers right; None is an empty cell.
        digits: of numbers that are not whole.

    Raises:
        InvalidArgumentError: a row has another length than `columns`.
    """
    for position, row in enumerate(rows):
        if len(row) != len(columns):
            raise InvalidArgumentError(
                f"rows[{position}]", expected=f"{len(columns)} cells", actual=len(row)
            )
    texts = [
        any(isinstance(row[index], str) and row[index] != NO_FIGURE for row in rows) or not index
        for index in range(len(columns))
    ]
    head = "".join(
        _cell("th", name, text, digits) for name, text in zip(columns, texts, strict=True)
    )
    lines = [
        "".join(_cell("td", value, text, digits) for value, text in zip(row, texts, strict=True))
        for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="card table"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def picture_tag(pixels: np.ndarray, alt: str, side: int, css: str = "") -> str:
    """Return an `<img>` that holds a picture uint8 `[H, W, 3]`, at most `side` pixels long."""
    if max(pixels.shape[:2]) > side:
        pixels = np.asarray(fitted(pixels, side))
    return webp_tag(encode(pixels, "webp", quality=86), alt, css)


def webp_tag(webp: bytes, alt: str, css: str = "") -> str:
    """Return an `<img>` that holds a WebP, still or moving."""
    data = base64.b64encode(webp).decode()
    name = f' class="{css}"' if css else ""
    return (
        f'<img{name} loading="lazy" alt="{html.escape(alt, quote=True)}" '
        f'src="data:image/webp;base64,{data}">'
    )


def _cell(tag: str, value: object, text: bool, digits: int) -> str:
    if value is None:
        content = ""
    elif isinstance(value, float):
        content = f"{value:,.{digits}f}"
    else:
        content = f"{value:,}" if isinstance(value, int) else html.escape(str(value))
    css = ' class="text"' if text else ""
    return f"<{tag}{css}>{content}</{tag}>"
