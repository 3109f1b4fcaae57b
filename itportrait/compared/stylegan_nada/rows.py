"""Adaptive layers: which rows of the code a step trains the layers of.

Source: StyleGAN-NADA, section 4.2: some codes take a gradient step towards the words, and the rows
that move most are those whose layers matter for the change.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from itportrait.adapt.layers import trained_names
from itportrait.errors import InvalidArgumentError
from itportrait.generator import Generator


class AdaptiveRows:
    """The rows of a code with the names of the parameters that they choose.

    Args:
        generator: the base.
        trained: names of the parameters that are trained at all.
        count: number of rows that are chosen; None means all.

    Raises:
        InvalidArgumentError: the generator cannot tell its layers by rows, no row has a layer that
            is trained, or there are fewer of them than `count`.
    """

    def __init__(self, generator: Generator, trained: Iterable[str], count: int | None) -> None:
        names = list(trained)
        self.names: dict[int, list[str]] = {}
        for row, prefixes in enumerate(generator.row_layers):
            if of_row := [name for name in names if name.startswith(tuple(prefixes))]:
                self.names[row] = of_row
        if not self.names or (count is not None and count > len(self.names)):
            raise InvalidArgumentError(
                "layer_rows",
                expected=f"at most {len(self.names)}, the rows with layers that are trained"
                if self.names
                else "a generator with layers that its rows modulate, and a `train` with some",
                actual=count if self.names else "none",
            )
        self.count = len(self.names) if count is None else count

    @property
    def chooses(self) -> bool:
        """Whether there is anything to choose."""
        return self.count < len(self.names)

    def parameters(self, rows: Sequence[int]) -> frozenset[str]:
        """Return the parameters of some rows."""
        return frozenset(name for row in rows for name in self.names[row])

    def choose(self, moved: Sequence[float]) -> list[int]:
        """Return the rows that moved most, of those that have trained layers.

        Args:
            moved: how far each row of the code moved.
        """
        return sorted(sorted(self.names, key=lambda row: -moved[row])[: self.count])


def adaptive_rows(generator: Generator, train: str, count: int | None = None) -> AdaptiveRows:
    """Return the rows of a preset of trained layers.

    Args:
        generator: the base.
        train: name of the preset.
        count: number of rows that are chosen; None means all.

    Raises:
        UnknownNameError: no such preset.
        InvalidArgumentError: the preset's layers do not fit, see `AdaptiveRows`.
    """
    return AdaptiveRows(generator, trained_names(generator, train), count)


def row_movements(
    ws: Tensor, loss: Callable[[Tensor], Tensor], *, steps: int, learning_rate: float
) -> Tensor:
    """Return how far gradient steps move each row of codes, `[num_ws]`: the mean absolute change.

    Args:
        ws: `[N, num_ws, w_dim]`.
        loss: of codes, one number.
        steps: number of plain gradient steps.
        learning_rate: of these.
    """
    moved = ws.detach()
    for _ in range(steps):
        codes = moved.requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(codes), codes)
        moved = (codes - learning_rate * gradient).detach()
    return (moved - ws).abs().mean((0, 2))
