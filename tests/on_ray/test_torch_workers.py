"""Workers over a real process group of two processes."""

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from itportrait.on_ray.torch_workers import TorchWorkers


def work(rank, address, answers):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    workers = TorchWorkers(rank, 2)
    used, unused = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2))
    used.grad = torch.full((3,), 1.0 + rank)
    if rank == 0:
        unused.grad = torch.ones(2)
    workers.average_gradients([used, unused])
    answers[rank] = {
        "gradients": (used.grad.tolist(), unused.grad.tolist()),
        "average": workers.average(0.1 * (rank + 1)),
        "from_first": workers.from_first({"identity": rank, "skip": rank == 0}),
    }
    dist.destroy_process_group()


def test_two_processes_average_and_agree(tmp_path):
    with multiprocessing.Manager() as manager:
        answers = manager.dict()
        multiprocessing.spawn(work, (f"file://{tmp_path}/meeting", answers), nprocs=2)
        first, second = answers[0], answers[1]
    assert first == second
    assert first["gradients"] == ([1.5] * 3, [0.5] * 2)
    assert first["average"] == pytest.approx(0.15)
    assert first["from_first"] == {"identity": 0, "skip": True}
