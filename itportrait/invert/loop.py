"""The loop of an optimization of unrelated portraits: each is timed, and leaves, by itself."""

import time
from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from itportrait.invert.objective import finite_rows
from itportrait.invert.problem import Solution
from itportrait.invert.rows import RowAdam, RowSchedule, places
from itportrait.stages.within import tell_step


class Kept(Protocol):
    """What holds values of every portrait that is still in the batch."""

    def keep(self, rows: Tensor) -> object:
        """Keep the portraits of index tensor `rows`."""
        ...


class RowLoop(ABC):
    """Optimizes a batch of portraits until each has converged, reached its end, or broken.

    Args:
        keys: N record ids.
        adam: what is optimized.
        schedule: when a portrait's optimization ends.
        device: of the tensors.
    """

    kind: ClassVar[str] = "step"
    """What people call a step of it."""

    def __init__(
        self, keys: tuple[str, ...], adam: RowAdam, schedule: RowSchedule, device: torch.device
    ) -> None:
        self.adam, self.schedule, self.device = adam, schedule, device
        self.index = list(range(len(keys)))
        self.seconds = [0.0] * len(keys)
        self.solutions: list[Solution | None] = [None] * len(keys)

    @abstractmethod
    def step(self) -> Tensor:
        """Take one step; return the mask `[N]` of portraits that are not finite any more."""

    @abstractmethod
    def solution(self, position: int, *, steps: int, seconds: float, failure: str) -> Solution:
        """Return what was found for a portrait.

        Args:
            position: of the portrait among those that are still in the batch.
            steps: number of steps it was optimized in.
            seconds: its share of the time.
            failure: what broke it, or "".
        """

    @abstractmethod
    def parts(self) -> list[Kept]:
        """Return what holds values of every portrait, besides `adam` and `schedule`."""

    def run(self) -> list[Solution]:
        """Optimize until every row has left; return the solutions in the problem's order."""
        while self.index:
            began = time.perf_counter()
            broken = self.step()
            share = (time.perf_counter() - began) / len(self.index)
            for row in self.index:
                self.seconds[row] += share
            self._leave(self.schedule.advance(), broken)
            tell_step(self.schedule.step, self.schedule.steps, self.kind)
        return [solution for solution in self.solutions if solution is not None]

    def descend(self, loss: Tensor, tied: str = "") -> Tensor:
        """Move every portrait along the gradient of its own loss.

        What the losses do not depend on stays as it is, such as the strength of noise that a
        generator is told to leave out.

        Args:
            loss: `[N]`.
            tied: name of a value whose second dimension moves as one, or "".

        Returns:
            The mask `[N]` of portraits whose loss or gradient is not finite; they stay in place.
        """
        values = self.adam.values
        found = torch.autograd.grad(
            loss.sum(), list(values.values()), allow_unused=True, materialize_grads=True
        )
        broken = ~finite_rows(loss[:, None], *found)
        gradients = {
            name: torch.where(_like(broken, gradient), 0, gradient)
            for name, gradient in zip(values, found, strict=True)
        }
        if tied:
            gradients[tied] = gradients[tied].mean(1, keepdim=True).expand_as(values[tied])
        self.adam.step(gradients, self.schedule.factor())
        return broken

    @torch.no_grad()
    def _leave(self, finished: Tensor, broken: Tensor) -> None:
        leaving = finished | broken
        if not bool(leaving.any()):
            return
        for position in places(leaving):
            row, bad = self.index[position], bool(broken[position])
            steps = self.schedule.step - bad
            failure = f"loss or gradient not finite after {steps} steps" if bad else ""
            self.solutions[row] = self.solution(
                position, steps=steps, seconds=self.seconds[row], failure=failure
            )
        staying = places(~leaving)
        rows = torch.tensor(staying, dtype=torch.long, device=self.device)
        for part in (self.adam, self.schedule, *self.parts()):
            part.keep(rows)
        self.index = [self.index[position] for position in staying]


class RowRandom:
    """A random generator for each portrait, so that what is drawn does not depend on the batch."""

    def __init__(self, generators: list[torch.Generator]) -> None:
        self.generators = generators

    def keep(self, rows: Tensor) -> None:
        """Keep the portraits of index tensor `rows`."""
        self.generators = [self.generators[int(row)] for row in rows]

    def normal(self, shape: torch.Size) -> Tensor:
        """Return `[N, *shape]` standard normal numbers."""
        return torch.stack([torch.randn(shape, generator=rng) for rng in self.generators])

    def uniform(self, count: int) -> Tensor:
        """Return `[N, count]` numbers, uniform in [-1, 1]."""
        drawn = [torch.rand(count, generator=rng) for rng in self.generators]
        return torch.stack(drawn) * 2 - 1


def _like(mask: Tensor, value: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (value.ndim - 1))
