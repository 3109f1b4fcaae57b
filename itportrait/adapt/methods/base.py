"""What an adaptation method is: trained copies of the generator, and a loss for each step."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from itportrait.adapt.config import AdaptConfig, DomainSpec
from itportrait.adapt.layers import trained_names
from itportrait.adapt.pair import PairReport
from itportrait.adapt.references import Reference
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.generator import Generator
from itportrait.learning.averages import move_average


@dataclass(frozen=True)
class MethodContext:
    """What a method works with.

    Args:
        bundle: the frozen base and the models that guide.
        spec: the domain.
        config: already resolved with the domain's options.
        references: aligned style images; empty in mode `text`.
        workers: those that train the domain together; each draws its own codes and cameras.
    """

    bundle: Bundle
    spec: DomainSpec
    config: AdaptConfig
    references: Sequence[Reference]
    workers: Workers = field(default_factory=Workers)


@dataclass(frozen=True)
class StepLoss:
    """A step's loss: which student it trains, and numbers for the log."""

    student: str
    loss: Tensor
    log: dict[str, float]


class Student:
    """A trained copy of the generator with its optimizer, and optionally an average of it.

    Args:
        base: generator to copy; not changed.
        train: preset of trained layers.
        learning_rate: of Adam.
        betas: of Adam.
        ema: decay of the average; 0 for none.
    """

    def __init__(
        self,
        base: Generator,
        train: str,
        *,
        learning_rate: float,
        betas: tuple[float, float],
        ema: float = 0.0,
    ) -> None:
        self.generator = copy.deepcopy(base).eval().requires_grad_(False)
        names = trained_names(base, train)
        parameters = dict(self.generator.named_parameters())
        self.trained: dict[str, nn.Parameter] = {name: parameters[name] for name in names}
        for parameter in self.trained.values():
            parameter.requires_grad_(True)
        self.optimizer = torch.optim.Adam(self.trained.values(), lr=learning_rate, betas=betas)
        self.ema = ema
        self._average = (
            {name: value.detach().clone() for name, value in self.trained.items()} if ema else None
        )

    def update(self, loss: Tensor, workers: Workers) -> None:
        """Take one optimization step; gradients are averaged over the workers in between."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        workers.average_gradients(list(self.trained.values()))
        self.optimizer.step()
        if self._average is not None:
            move_average(self._average.values(), self.trained.values(), self.ema)

    def weights(self) -> dict[str, Tensor]:
        """Return the tensors that are scored and kept: the average where there is one."""
        if self._average is not None:
            return self._average
        return {name: value.detach() for name, value in self.trained.items()}

    def scored(self) -> Generator:
        """Return the generator with `weights`; a copy only where an average is kept."""
        return (
            self.generator if self._average is None else with_weights(self.generator, self._average)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return weights, optimizer and average, as copies on the CPU."""
        return {
            "trained": {name: value.detach().cpu().clone() for name, value in self.trained.items()},
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "average": None
            if self._average is None
            else {name: value.cpu().clone() for name, value in self._average.items()},
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        for name, value in self.trained.items():
            value.copy_(state["trained"][name])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        if self._average is not None and state["average"] is not None:
            for name, value in self._average.items():
                value.copy_(state["average"][name])


@torch.no_grad()
def with_weights(base: Generator, weights: dict[str, Tensor]) -> Generator:
    """Return a frozen copy of a generator with some tensors replaced."""
    generator = copy.deepcopy(base).eval().requires_grad_(False)
    parameters = dict(generator.named_parameters())
    for name, value in weights.items():
        parameters[name].copy_(value)
    return generator


class AdaptationMethod(ABC):
    """A way to adapt a generator to a domain; one file a method, registered by name.

    The loop calls `loss`, lets the student named there step, and probes the student `result`.
    Randomness comes from `sampling.step_rng(seed, rank, step)`, never from history.
    """

    students: dict[str, Student]
    result: str

    @abstractmethod
    def __init__(self, context: MethodContext, state: dict[str, Any] | None = None) -> None:
        """Prepare everything that is computed once; `state` is `state_dict`'s of a former run."""

    @abstractmethod
    def loss(self, step: int) -> StepLoss:
        """Return the loss of a step, which counts from 0."""

    @classmethod
    def unread(cls, spec: DomainSpec, config: AdaptConfig) -> tuple[str, ...]:
        """Return the settings that such a domain never reads, by dotted names of `AdaptConfig`.

        They are no part of its fingerprint, so that it stands when they change. A method that does
        not say is made again whatever changes.

        Args:
            spec: the domain.
            config: already resolved with the domain's options.
        """
        return ()

    def pair_reports(self) -> list[PairReport]:
        """Return the quality of the pairs, for methods that make any."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """Return what the method needs beyond its students to resume."""
        return {}
