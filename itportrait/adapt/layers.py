"""Which tensors are trained, and which rows of a code carry style: sets by name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from itportrait.errors import InvalidArgumentError, UnknownNameError

if TYPE_CHECKING:
    from torch import nn

LAYER_PRESETS: dict[str, tuple[str, ...]] = {
    "synthesis_sr": ("backbone.synthesis.", "superresolution.", "background."),
    "planes_only": ("backbone.synthesis.",),
    "decoder_sr": ("decoder.", "superresolution.", "background."),
    "all": ("backbone.synthesis.", "decoder.", "superresolution.", "background."),
}
"""Prefixes of trained parameters. `synthesis_sr` is the published choice; `decoder_sr` keeps the
tri-planes, so that a tri-plane encoder of the base model still fits; the mapping network is never
trained, so that codes keep their meaning. A generator without `background.` has no such tensors."""

_PUBLISHED_ROWS = 14
_STYLE_ROWS = tuple(range(7, 14))
_COLOR_KEEPING_ROWS = (7, 9, 12, 13)
"""JoJoGAN's `preserve_color` rows (9, 11, 15, 16, 17 of 18) at the same depth of 14."""
_PAIR_ROWS = 9


def trained_names(generator: "nn.Module", preset: str) -> list[str]:
    """Return the names of the parameters that a preset trains, in the module's order.

    Raises:
        UnknownNameError: no such preset.
        InvalidArgumentError: the generator has none of its parameters.
    """
    if preset not in LAYER_PRESETS:
        raise UnknownNameError("layer preset", preset, list(LAYER_PRESETS))
    names = [
        name for name, _ in generator.named_parameters() if name.startswith(LAYER_PRESETS[preset])
    ]
    if not names:
        raise InvalidArgumentError(
            "generator",
            expected=f"parameters under {', '.join(LAYER_PRESETS[preset])}",
            actual="none",
        )
    return names


def scale_rows(rows: Sequence[int], num_ws: int) -> tuple[int, ...]:
    """Carry rows of the published 14-row code over to `num_ws` rows, at the same relative depth.

    A row r of 14 becomes floor(r * num_ws / 14); doubles fall together, so the last row stays in.
    Example: rows 7-13 of 14 are rows 5-9 of 10.
    """
    scaled = {row * num_ws // _PUBLISHED_ROWS for row in rows}
    if _PUBLISHED_ROWS - 1 in rows:
        scaled.add(num_ws - 1)
    return tuple(sorted(scaled))


def row_set(rows: str | Sequence[int], num_ws: int) -> tuple[int, ...]:
    """Return row indices of a named set, or check a list.

    Args:
        rows: `style_rows`, `preserve_color`, or indices of the generator's own rows.
        num_ws: rows of its codes.

    Raises:
        UnknownNameError: no such set.
        InvalidArgumentError: an index is out of range.
    """
    named = {"style_rows": _STYLE_ROWS, "preserve_color": _COLOR_KEEPING_ROWS}
    if isinstance(rows, str):
        if rows not in named:
            raise UnknownNameError("row set", rows, list(named))
        return scale_rows(named[rows], num_ws)
    if any(not 0 <= row < num_ws for row in rows):
        raise InvalidArgumentError(
            "rows", expected=f"indices in 0..{num_ws - 1}", actual=list(rows)
        )
    return tuple(rows)


def shared_rows(rows: int | None, num_ws: int) -> int:
    """Return how many first rows of the pair's code are the style image's (None: 9 of 14, scaled).

    Raises:
        InvalidArgumentError: not within 1..num_ws.
    """
    count = round(_PAIR_ROWS * num_ws / _PUBLISHED_ROWS) if rows is None else rows
    if not 1 <= count <= num_ws:
        raise InvalidArgumentError("shared_rows", expected=f"1..{num_ws}", actual=count)
    return count
