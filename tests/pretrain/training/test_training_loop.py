import json

import pytest
import torch
from torch import nn

from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.pretrain.training.loop import LoopConfig, TrainingLoop
from itportrait.pretrain.training.task import NetworkTask, NetworkTraining, TaskInputs
from tests.helpers.tiny_training import fake_portraits


class LineTask(NetworkTask):
    """Fits y = 2 x + 1."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        module, config = nn.Linear(1, 1), NetworkTraining(average=0.995, warmup_steps=2)
        inputs = TaskInputs(fake_portraits(1), fake_portraits(1))
        optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
        super().__init__("line", module, [optimizer], config, inputs)

    def losses(self, progress, rng):
        x = torch.randn(16, 1, generator=rng)
        return {"square": (self.module(x) - (2 * x + 1)).square().mean()}

    def measure(self):
        return {"slope": float(self.average.weight)}


def test_a_budget_is_needed_and_one_is_enough():
    for budget in ({}, {"minutes": 1.0, "steps": 3}):
        with pytest.raises(InvalidArgumentError, match="either in minutes or in steps"):
            LoopConfig.parse(budget)


def test_training_lowers_the_loss_and_writes_a_curve(tmp_path):
    figures = TrainingLoop(LineTask(), LoopConfig(steps=300), tmp_path).run()
    assert abs(figures["slope"] - 2) < 0.1
    rows = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 300
    assert "square" in rows[-1]


def test_a_resumed_run_is_identical_to_an_uninterrupted_one(tmp_path):
    config = LoopConfig(steps=12)
    whole = LineTask()
    TrainingLoop(whole, config, tmp_path / "a").run()
    TrainingLoop(LineTask(), config, tmp_path / "b").run(stop_after=5)
    resumed = LineTask(seed=9)
    loop = TrainingLoop(resumed, config, tmp_path / "b")
    assert loop.step == 5
    loop.run()
    for left, right in ((whole.module, resumed.module), (whole.average, resumed.average)):
        assert torch.equal(left.weight, right.weight)
        assert torch.equal(left.bias, right.bias)


def test_a_spent_budget_trains_no_more(tmp_path):
    TrainingLoop(LineTask(), LoopConfig(steps=3), tmp_path).run()
    task = LineTask()
    TrainingLoop(task, LoopConfig(steps=3), tmp_path).run()
    assert task.steps == 3


def test_a_time_budget_ends(tmp_path):
    loop = TrainingLoop(LineTask(), LoopConfig(minutes=0.005), tmp_path)
    loop.run()
    assert loop.progress >= 1
    assert loop.step > 3


def test_a_broken_checkpoint_says_which_and_what_to_do(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="delete it to start anew"):
        TrainingLoop(LineTask(), LoopConfig(steps=3), tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_it(tmp_path):
    class Broken(LineTask):
        def backward(self, progress, rng):
            return {"square": float("nan")}

    with pytest.raises(CheckpointError, match="square is not finite at step 1"):
        TrainingLoop(Broken(), LoopConfig(steps=3), tmp_path).run()
