"""One picture of a whole run: portraits from top to bottom, stages and domains from left to
right."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from itportrait.errors import InvalidArgumentError
from itportrait.text import shown

_INK, _PAPER, _EMPTY = (32, 33, 36), (250, 250, 248), (228, 228, 224)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray | None]],
    *,
    columns: Sequence[str],
    names: Sequence[str] | None = None,
    tile: int = 128,
    gap: int = 6,
) -> np.ndarray:
    """Lay pictures out in a labeled grid.

    Args:
        rows: pictures uint8 `[H, W, 3]` of any size (fitted into their tile, uncropped), or None
            for an empty tile; one per column.
        columns: labels above the columns.
        names: labels in front of the rows; None leaves them out.
        tile: side of a tile in pixels.
        gap: between tiles in pixels.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        InvalidArgumentError: a row has another length than `columns`, or `names` than `rows`.
    """
    for position, row in enumerate(rows):
        if len(row) != len(columns):
            raise InvalidArgumentError(
                f"rows[{position}]", expected=f"{len(columns)} pictures", actual=len(row)
            )
    if names is not None and len(names) != len(rows):
        raise InvalidArgumentError("names", expected=f"{len(rows)} names", actual=len(names))
    font = ImageFont.load_default(size=max(10, tile // 9))
    head = tile // 5
    left = tile if names is not None else gap
    width = left + len(columns) * (tile + gap) + gap
    sheet = Image.new("RGB", (width, head + len(rows) * (tile + gap) + gap), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, label in enumerate(columns):
        x = left + index * (tile + gap) + tile // 2
        draw.text((x, head // 2), _fit(draw, label, tile, font), _INK, font=font, anchor="mm")
    for line, row in enumerate(rows):
        y = head + line * (tile + gap)
        if names is not None:
            text = _fit(draw, names[line], left - 2 * gap, font)
            draw.text((gap, y + tile // 2), text, _INK, font=font, anchor="lm")
        for index, pixels in enumerate(row):
            x = left + index * (tile + gap)
            draw.rectangle((x, y, x + tile - 1, y + tile - 1), fill=_EMPTY)
            if pixels is not None:
                picture = fitted(pixels, tile)
                sheet.paste(
                    picture, (x + (tile - picture.width) // 2, y + (tile - picture.height) // 2)
                )
    return np.asarray(sheet)


def fitted(pixels: np.ndarray, side: int) -> Image.Image:
    """Return the picture scaled so that its longer side is `side` pixels."""
    picture = Image.fromarray(pixels)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _fit(draw: ImageDraw.ImageDraw, text: str, width: int, font) -> str:
    """Shorten a label in its middle until it is one line of at most `width` pixels."""
    text = shown(text).replace("\n", " ")
    if draw.textlength(text, font=font) <= width:
        return text
    for keep in range(len(text) - 1, 1, -1):
        short = f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"
        if draw.textlength(short, font=font) <= width:
            return short
    return text[:1]
