"""What every training task of a network does in a step; the networks' files add their losses."""

import copy
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from itportrait.pretrain.training.loop import cosine, set_learning_rate, update_average

M = TypeVar("M", bound=nn.Module)


class NetworkTask(Generic[M]):
    """A module, its optimizers, and the running average of its weights, which is what is kept.

    A subclass implements `losses` and `measure`.

    Args:
        name: for logs.
        module: what is trained, heads that are dropped later included.
        optimizers: together they hold all trained parameters.
        hold: share of the budget before the learning rate falls.
        warmup_steps: steps over which it rises.
        average: largest share of the averaged weights kept in a step.
        clip_gradient: largest norm of the gradient.
    """

    def __init__(
        self,
        name: str,
        module: M,
        optimizers: Sequence[torch.optim.Optimizer],
        *,
        hold: float = 0.3,
        warmup_steps: int = 50,
        average: float = 0.995,
        clip_gradient: float = 5.0,
    ) -> None:
        self.name, self.module, self.optimizers = name, module, list(optimizers)
        self.hold, self.warmup_steps = hold, warmup_steps
        self.average_limit, self.clip_gradient = average, clip_gradient
        self.average = copy.deepcopy(module).eval().requires_grad_(False)
        self.steps = 0

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted losses of one batch; their sum is minimized."""
        raise NotImplementedError

    def measure(self) -> dict[str, float]:
        """Measure `self.average` on held-out people."""
        raise NotImplementedError

    def step(self, progress: float, rng: torch.Generator) -> dict[str, float]:
        """Do one optimization step; return the losses."""
        rise = min(1.0, (self.steps + 1) / max(self.warmup_steps, 1))
        set_learning_rate(self.optimizers, rise * cosine(progress, hold=self.hold))
        self.module.train()
        self.module.zero_grad(set_to_none=True)
        losses = self.backward(progress, rng)
        nn.utils.clip_grad_norm_(self.module.parameters(), self.clip_gradient)
        for optimizer in self.optimizers:
            optimizer.step()
        update_average(self.average, self.module, self.steps, limit=self.average_limit)
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
