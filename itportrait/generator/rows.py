"""Rows of a StyleGAN code by what they carry, at any depth of the network."""

from collections.abc import Sequence

_PUBLISHED_ROWS = 14
_STYLE_ROWS = tuple(range(7, 14))
_COLOR_KEEPING_ROWS = (7, 9, 12, 13)
"""JoJoGAN's `preserve_color` rows (9, 11, 15, 16, 17 of 18) at the same depth of 14."""
_SHAPE_ROWS = 9
_MEASURED_COLOR_ROWS = {10: (9,)}
"""Rows that carry color, by the number of rows. They were measured on the embedded family by
`benchmarks/bm_rows.py`, and hold for every generator that has as many rows."""


def scale_rows(rows: Sequence[int], num_ws: int) -> tuple[int, ...]:
    """Carry rows of the published 14-row code over to `num_ws` rows, at the same relative depth.

    A row r of 14 becomes floor(r * num_ws / 14); doubles fall together, so the last row stays in.
    Example: rows 7-13 of 14 are rows 5-9 of 10.
    """
    scaled = {row * num_ws // _PUBLISHED_ROWS for row in rows}
    if _PUBLISHED_ROWS - 1 in rows:
        scaled.add(num_ws - 1)
    return tuple(sorted(scaled))


def row_sets(num_ws: int) -> dict[str, tuple[int, ...]]:
    """Return `Generator.row_sets` of a StyleGAN synthesis network with `num_ws` rows."""
    style, keeping = scale_rows(_STYLE_ROWS, num_ws), scale_rows(_COLOR_KEEPING_ROWS, num_ws)
    others = tuple(row for row in style if row not in keeping)
    return {
        "shape": tuple(range(round(_SHAPE_ROWS * num_ws / _PUBLISHED_ROWS))),
        "style_rows": style,
        "preserve_color": keeping,
        "color_rows": _MEASURED_COLOR_ROWS.get(num_ws, others),
    }


def row_layers(backbone: Sequence[str], superresolution: int) -> tuple[tuple[str, ...], ...]:
    """Return `Generator.row_layers` of a tri-plane generator.

    The first block of the backbone has one convolution, every other has two, and each of them reads
    a row of its own. The last row goes to the last to-RGB layer, to super-resolution, and to the
    background network where there is one.

    Args:
        backbone: names of the blocks, coarse to fine.
        superresolution: number of blocks.
    """
    layers = [
        (f"backbone.synthesis.{block}.{conv}.",)
        for block in backbone
        for conv in (("conv1",) if block == backbone[0] else ("conv0", "conv1"))
    ]
    last = [
        f"superresolution.block{index}.{conv}."
        for index in range(superresolution)
        for conv in ("conv0", "conv1")
    ]
    return (*layers, (*last, "background."))
