"""Adam on a batch of unrelated problems: every row has its own clock, rate and exit.

`torch.optim.Adam` has one step count and one rate for all rows, so a portrait that converges early
could neither ramp down by itself nor leave. A row's path here does not depend on its neighbors.
"""

import math
from typing import cast

import torch
from torch import Tensor


class RowAdam:
    """Adam (Kingma and Ba, 2015) with a learning-rate factor per row; rows can be dropped.

    Args:
        values: named leaf tensors `[N, ...]`, the same N in all.
        rates: learning rate of each.
        betas: decay of the first and second moment.
    """

    def __init__(
        self,
        values: dict[str, Tensor],
        rates: dict[str, float],
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ) -> None:
        self.values = {
            name: value.detach().clone().requires_grad_() for name, value in values.items()
        }
        self.rates, self.betas, self.eps = rates, betas, eps
        self.first = {name: torch.zeros_like(value) for name, value in values.items()}
        self.second = {name: torch.zeros_like(value) for name, value in values.items()}
        self.step_count = 0

    @torch.no_grad()
    def step(self, gradients: dict[str, Tensor], factor: Tensor) -> None:
        """Move every row by its gradient.

        Args:
            gradients: of the sum over rows of each row's own loss.
            factor: `[N]` multiplies the rates; 0 keeps a row where it is.
        """
        self.step_count += 1
        beta1, beta2 = self.betas
        scale = math.sqrt(1 - beta2**self.step_count) / (1 - beta1**self.step_count)
        for name, value in self.values.items():
            gradient = gradients[name]
            first, second = self.first[name], self.second[name]
            first.lerp_(gradient, 1 - beta1)
            second.lerp_(gradient.square(), 1 - beta2)
            rate = (self.rates[name] * scale * factor).view(-1, *[1] * (value.ndim - 1))
            value.sub_(rate * first / (second.sqrt() + self.eps * scale))

    def keep(self, rows: Tensor) -> None:
        """Keep the rows of index tensor `rows`, with their moments."""
        self.values = {
            name: value.detach()[rows].clone().requires_grad_()
            for name, value in self.values.items()
        }
        self.first = {name: moment[rows] for name, moment in self.first.items()}
        self.second = {name: moment[rows] for name, moment in self.second.items()}


class RowSchedule:
    """Warm-up, plateau, cosine ramp-down: for each row by itself.

    Args:
        rows: number of rows.
        steps: upper bound of steps.
        warm_up: share of `steps` over which the factor rises.
        ramp_down: share of `steps` over which it falls to zero.
    """

    def __init__(
        self,
        rows: int,
        *,
        steps: int,
        warm_up: float,
        ramp_down: float,
        device: torch.device | None = None,
    ) -> None:
        self.steps = steps
        self.warm_up_steps = max(warm_up * steps, 1e-6)
        self.ramp_steps = max(round(ramp_down * steps), 1)
        self.end = torch.full((rows,), steps, dtype=torch.long, device=device)
        self.step = 0

    def factor(self) -> Tensor:
        """Return `[N]` in [0, 1] for the step about to be taken."""
        rise = min(1.0, (self.step + 1) / self.warm_up_steps)
        left = ((self.end - self.step) / self.ramp_steps).clamp(0, 1)
        return rise * 0.5 * (1 - torch.cos(math.pi * left))

    def converge(self, rows: Tensor) -> None:
        """Let the rows of a boolean mask `[N]` ramp down from here, if they do not already."""
        early = torch.full_like(self.end, self.step + self.ramp_steps)
        self.end = torch.where(rows, torch.minimum(self.end, early), self.end)

    def advance(self) -> Tensor:
        """Count a step; return the boolean mask `[N]` of rows that have reached their end."""
        self.step += 1
        return self.end <= self.step

    def keep(self, rows: Tensor) -> None:
        """Keep the rows of index tensor `rows`."""
        self.end = self.end[rows]


class Plateau:
    """Says which rows have stopped improving: a relative gain below `min_gain` in `patience` steps.

    Args:
        rows: number of rows.
        min_gain: relative fall of the loss that counts as progress.
        patience: steps without progress after which a row has converged.
    """

    def __init__(
        self, rows: int, *, min_gain: float, patience: int, device: torch.device | None = None
    ) -> None:
        self.min_gain, self.patience = min_gain, patience
        self.best = torch.full((rows,), math.inf, device=device)
        self.stale = torch.zeros(rows, dtype=torch.long, device=device)

    def update(self, loss: Tensor) -> Tensor:
        """Take the losses `[N]` of a step; return the mask `[N]` of rows that have converged."""
        better = loss < self.best * (1 - self.min_gain)
        self.best = torch.where(better, loss, self.best)
        self.stale = torch.where(better, 0, self.stale + 1)
        return self.stale >= self.patience

    def keep(self, rows: Tensor) -> None:
        """Keep the rows of index tensor `rows`."""
        self.best, self.stale = self.best[rows], self.stale[rows]


def numbers(values: Tensor) -> list[float]:
    """Return the values `[N]` as plain numbers."""
    return cast("list[float]", values.tolist())  # pyright: ignore[reportUnknownMemberType]


def places(mask: Tensor) -> list[int]:
    """Return the rows of a boolean mask `[N]` that are set."""
    rows = mask.nonzero()[:, 0]
    return cast("list[int]", rows.tolist())  # pyright: ignore[reportUnknownMemberType]
