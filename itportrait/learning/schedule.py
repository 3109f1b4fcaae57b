"""What follows from a training's progress: learning rate, averaged weights, order of the rows."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError
from itportrait.learning.averages import move_average
from itportrait.learning.seeds import device_rng


def cosine(progress: float, *, hold: float = 0.0, floor: float = 0.02) -> float:
    """Return the learning rate's factor: 1 until `hold`, then half a cosine down to `floor`."""
    x = min(max((progress - hold) / (1 - hold), 0.0), 1.0)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * x))


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Set every group's rate to `factor` times the one it was built with."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, step: int, *, limit: float) -> None:
    """Move the averaged weights towards the trained ones; early steps forget faster.

    Args:
        limit: final share of the old average that is kept in one step, e.g. 0.998.
    """
    keep = min(limit, (1 + step) / (20 + step))
    move_average(average.parameters(), module.parameters(), keep)
    for a, m in zip(average.buffers(), module.buffers(), strict=True):
        a.copy_(m)


def draw_batch(count: int, size: int, step: int, seed: int) -> Tensor:
    """Return the `size` row numbers of a step, from a permutation that changes every epoch."""
    if size > count:
        raise InvalidArgumentError("batch size", expected=f"at most the {count} rows", actual=size)
    per_epoch = count // size
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(count, generator=device_rng(seed + 7919, epoch))
    return order[place * size : (place + 1) * size]
