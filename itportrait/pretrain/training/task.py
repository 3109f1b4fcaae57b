"""What every training task of a network does in a step; the networks' files add their losses."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from itportrait.config import Settings
from itportrait.learning.schedule import (
    cosine,
    draw_batch,
    set_learning_rate,
    update_average,
)
from itportrait.pretrain.training.data import PortraitData


class NetworkTraining(Settings):
    """Hyper-parameters that the training of every network has."""

    learning_rate: float = 2e-3
    """Learning rate of the optimizers, after the warm-up and before it falls."""
    hold: float = 0.3
    """Share of the budget before the learning rate starts to fall."""
    warmup_steps: int = 50
    """Number of steps over which the learning rate rises."""
    average: float = 0.99
    """Largest share of the averaged weights that is kept in a step."""
    clip_gradient: float = 5.0
    """Largest norm of the gradient; a longer one is scaled down to it."""


class AdamTraining(NetworkTraining):
    """Hyper-parameters of networks that AdamW trains as a whole."""

    weight_decay: float = 1e-4
    """Weight decay of AdamW."""

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW over all parameters of a module."""
        return torch.optim.AdamW(
            module.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )


M = TypeVar("M", bound=nn.Module)
C = TypeVar("C", bound=NetworkTraining)


@dataclass(frozen=True)
class TaskInputs:
    """What every task is given beside its hyper-parameters."""

    train: PortraitData
    """Portraits to train on."""
    held_out: PortraitData
    """Portraits of other people, for measuring."""
    seed: int = 0
    """Seed of the order of the data."""
    device: torch.device | str = "cpu"
    """Device on which the network is trained."""


class SavedNetwork(Protocol):
    """A network of the family that lies in one file."""

    def save(self, path: Path, /) -> None:
        """Write weights and configuration to one file."""
        ...


class NetworkTask(Generic[M, C]):
    """A module, its optimizers, and the running average of its weights, which is exported.

    A subclass implements `losses`, `measure`, and either `model` or `export`.

    Args:
        name: name of the network, in log lines and of its file in the bundle.
        module: module that is trained, including heads that are dropped later.
        optimizers: together they hold all trained parameters.
        config: hyper-parameters.
        inputs: portraits, seed and device.
    """

    def __init__(
        self,
        name: str,
        module: M,
        optimizers: Sequence[torch.optim.Optimizer],
        config: C,
        inputs: TaskInputs,
    ) -> None:
        self.name, self.module, self.optimizers = name, module, list(optimizers)
        self.config, self.train, self.held_out = config, inputs.train, inputs.held_out
        self.seed, self.device = inputs.seed, torch.device(inputs.device)
        self.average = copy.deepcopy(module).eval().requires_grad_(False)
        self.steps = 0

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted losses of one batch; their sum is minimized."""
        raise NotImplementedError

    def measure(self) -> dict[str, float]:
        """Measure `self.average` on held-out people."""
        raise NotImplementedError

    def model(self) -> SavedNetwork:
        """Return the averaged network as it is shipped, without the heads of training."""
        raise NotImplementedError

    def export(self, weights: Path) -> None:
        """Write the averaged network to the bundle's folder."""
        self.model().save(weights / f"{self.name}.safetensors")

    def draw(self, count: int, size: int, *, salt: int = 0) -> Tensor:
        """Return `size` of `count` row numbers, those that belong to the present step.

        Args:
            count: rows to choose from; all are chosen once before one is chosen again.
            size: rows of a batch.
            salt: added to the seed, so that several choices of a step are independent.
        """
        return draw_batch(count, size, self.steps, self.seed + salt)

    def step(self, progress: float, rng: torch.Generator) -> dict[str, float]:
        """Do one optimization step; return the losses."""
        config = self.config
        rise = min(1.0, (self.steps + 1) / max(config.warmup_steps, 1))
        set_learning_rate(self.optimizers, rise * cosine(progress, hold=config.hold))
        self.module.train()
        self.module.zero_grad(set_to_none=True)
        losses = self.backward(progress, rng)
        nn.utils.clip_grad_norm_(self.module.parameters(), config.clip_gradient)
        for optimizer in self.optimizers:
            optimizer.step()
        update_average(self.average, self.module, self.steps, limit=config.average)
        self.steps += 1
        return losses

    def backward(self, progress: float, rng: torch.Generator) -> dict[str, float]:
        """Put the gradients of one batch in place; return the losses."""
        losses = self.losses(progress, rng)
        torch.stack(list(losses.values())).sum().backward()
        return {name: float(value.detach()) for name, value in losses.items()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Measure the averaged weights on held-out people."""
        self.average.eval()
        return self.measure()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs."""
        return {
            "module": self.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.steps = state["steps"]
