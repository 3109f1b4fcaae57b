"""Workers of one domain over torch's process group, as Ray Train sets it up."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import nn

from itportrait.adapt.workers import T, Workers


class TorchWorkers(Workers):
    """Several workers; the process group is initialized already.

    Args:
        rank: of this worker.
        count: of all.
        device: where the group's backend has its tensors: `cpu` for gloo, `cuda` for NCCL.
    """

    def __init__(self, rank: int, count: int, device: torch.device | str = "cpu") -> None:
        self.rank, self.count, self.device = rank, count, torch.device(device)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        for parameter in parameters:
            if parameter.grad is None:  # a worker without a gradient takes part all the same
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= self.count

    def average(self, value: float) -> float:
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return float(total) / self.count

    def from_first(self, value: T) -> T:
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]
