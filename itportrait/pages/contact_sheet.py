"""One picture of a whole run: portraits from top to bottom, stages and domains from left to
right."""

import bisect
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from itportrait.errors import InvalidArgumentError
from itportrait.text import shown

_INK, _PAPER, _EMPTY = (32, 33, 36), (250, 250, 248), (228, 228, 224)
_SEPARATORS = " _-./,;:"
_SPACING, _HEAD_LINES = 1.2, 4
"""Height of a line over the size of its letters, and most lines of a label above a column."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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
        columns: labels above the columns; long ones take several lines.
        names: labels in front of the rows, whole where as many lines fit beside a tile; None leaves
            them out.
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
    pitch = round(_SPACING * max(10, tile // 9))
    heads = [_lines(label, tile, _HEAD_LINES, font) for label in columns]
    head = max([tile // 5, *(pitch * len(lines) + gap for lines in heads if len(lines) > 1)])
    left = tile if names is not None else gap
    width = left + len(columns) * (tile + gap) + gap
    sheet = Image.new("RGB", (width, head + len(rows) * (tile + gap) + gap), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, lines in enumerate(heads):
        x = left + index * (tile + gap) + tile // 2
        _write(draw, (x, head // 2), lines, pitch, font, "mm")
    for line, row in enumerate(rows):
        y = head + line * (tile + gap)
        if names is not None:
            lines = _lines(names[line], left - 2 * gap, max(1, tile // pitch), font)
            _write(draw, (gap, y + tile // 2), lines, pitch, font, "lm")
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


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    lines: Sequence[str],
    pitch: int,
    font: Font,
    anchor: str,
) -> None:
    """Write lines, `pitch` pixels below each other, around the height of `at`."""
    for index, line in enumerate(lines):
        y = at[1] + (index - (len(lines) - 1) / 2) * pitch
        draw.text((at[0], y), line, _INK, font=font, anchor=anchor)


def _lines(text: str, width: int, most: int, font: Font) -> list[str]:
    """Break a label into lines of at most `width` pixels.

    Where more than `most` lines would be needed, its middle is left out: names of files differ at
    their ends.
    """
    text = shown(text).replace("\n", " ")
    lines = _broken(text, width, font)
    if len(lines) <= most:
        return lines

    def kept(count: int) -> list[str]:
        short = f"{text[: (count + 1) // 2]}…{text[len(text) - count // 2 :]}"
        return _broken(short, width, font)

    most_kept = bisect.bisect(range(2, len(text)), most, key=lambda count: len(kept(count)))
    return kept(most_kept + 1) if most_kept else [text[:1]]


def _broken(text: str, width: int, font: Font) -> list[str]:
    """Break a text into lines of at most `width` pixels: behind a separator, else anywhere."""
    lines: list[str] = []
    rest = text
    while rest:
        longest = range(1, min(len(rest), width) + 1)  # no letter is narrower than a pixel
        fitting = bisect.bisect(longest, width, key=lambda count: font.getlength(rest[:count]))
        count = max(fitting, 1)
        if count < len(rest):
            ends = [at + 1 for at in range(count) if rest[at] in _SEPARATORS]
            count = ends[-1] if ends and ends[-1] > count // 2 else count
        lines.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    return lines or [""]
