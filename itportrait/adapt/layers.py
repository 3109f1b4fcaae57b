"""Which tensors are trained, and which rows of a code carry style: sets by name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from itportrait.errors import InvalidArgumentError, UnknownNameError

if TYPE_CHECKING:
    from itportrait.generator import Generator

LAYER_PRESETS: dict[str, tuple[str, ...]] = {
    "synthesis_sr": ("synthesis", "superresolution", "background"),
    "planes_only": ("synthesis",),
    "decoder_sr": ("decoder", "superresolution", "background"),
    "all": ("synthesis", "decoder", "superresolution", "background"),
}
"""Parts of a generator that are trained (`Generator.parts`). `synthesis_sr` is the published one;
`decoder_sr` keeps the tri-planes, so that a tri-plane encoder of the base model still fits. The
mapping network is no such part, so that codes keep their meaning. A part that a generator lacks has
no tensors."""


def trained_names(generator: "Generator", preset: str) -> list[str]:
    """Return the names of the parameters that a preset trains, in the module's order.

    Raises:
        UnknownNameError: no such preset.
        InvalidArgumentError: the generator has none of its parameters.
    """
    if preset not in LAYER_PRESETS:
        raise UnknownNameError("layer preset", preset, list(LAYER_PRESETS))
    names = list(generator.parameters_of(LAYER_PRESETS[preset]))
    if not names:
        raise InvalidArgumentError(
            "generator",
            expected=f"parameters of its {', '.join(LAYER_PRESETS[preset])}",
            actual="none",
        )
    return names


def row_set(rows: str | Sequence[int], generator: "Generator") -> tuple[int, ...]:
    """Return row indices of a named set, or check a list.

    Args:
        rows: a name of `Generator.row_sets`, or indices of the generator's own rows.
        generator: whose codes have the rows.

    Raises:
        UnknownNameError: no such set.
        InvalidArgumentError: an index is out of range.
    """
    if isinstance(rows, str):
        if rows not in generator.row_sets:
            raise UnknownNameError("row set", rows, list(generator.row_sets))
        return generator.row_sets[rows]
    if any(not 0 <= row < generator.num_ws for row in rows):
        raise InvalidArgumentError(
            "rows", expected=f"indices in 0..{generator.num_ws - 1}", actual=list(rows)
        )
    return tuple(rows)


def shared_rows(rows: int | None, generator: "Generator") -> int:
    """Return how many first rows of the pair's code are the style image's.

    Args:
        rows: their number; None takes the rows that carry shape.
        generator: whose codes have the rows.

    Raises:
        InvalidArgumentError: not within 1..num_ws.
    """
    count = len(generator.row_sets["shape"]) if rows is None else rows
    if not 1 <= count <= generator.num_ws:
        raise InvalidArgumentError("shared_rows", expected=f"1..{generator.num_ws}", actual=count)
    return count
