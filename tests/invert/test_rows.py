"""The row-wise optimizer: Adam's own numbers, a clock per row, and rows that leave."""

import pytest
import torch

from itportrait.invert.rows import Plateau, RowAdam, RowSchedule

TARGET = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]])


def gradients(values, target=TARGET):
    loss = ((values["x"] - target).square() * torch.tensor([1.0, 9.0])).sum(1)
    return dict(zip(values, torch.autograd.grad(loss.sum(), list(values.values()))))


def test_row_adam_takes_the_steps_of_torch_adam():
    ours = RowAdam({"x": torch.zeros(3, 2)}, {"x": 0.1}, betas=(0.9, 0.99))
    theirs = torch.zeros(3, 2, requires_grad=True)
    adam = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99))
    for _ in range(20):
        ours.step(gradients(ours.values), torch.ones(3))
        adam.zero_grad()
        ((theirs - TARGET).square() * torch.tensor([1.0, 9.0])).sum().backward()
        adam.step()
        torch.testing.assert_close(ours.values["x"], theirs, rtol=1e-5, atol=1e-6)


def test_a_row_walks_the_same_path_alone_and_in_company():
    company = RowAdam({"x": torch.zeros(3, 2)}, {"x": 0.1})
    alone = RowAdam({"x": torch.zeros(1, 2)}, {"x": 0.1})
    for step in range(30):
        factor = torch.tensor([1.0, 0.5, 0.1])[: len(company.values["x"])]
        target = TARGET if step < 10 else TARGET[1:]
        if step == 10:
            company.keep(torch.tensor([1, 2]))
        factor = factor if step < 10 else torch.tensor([0.5, 0.1])
        company.step(gradients(company.values, target), factor)
        alone.step(gradients(alone.values, TARGET[1:2]), torch.tensor([0.5]))
    torch.testing.assert_close(company.values["x"][:1], alone.values["x"], rtol=0, atol=1e-7)


def test_schedule_warms_up_and_ramps_down():
    schedule = RowSchedule(1, steps=100, warm_up=0.05, ramp_down=0.25)
    factors = []
    for _ in range(100):
        factors.append(float(schedule.factor()))
        finished = schedule.advance()
    assert bool(finished)
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5:75] == pytest.approx([1.0] * 70)
    assert factors[87] == pytest.approx(0.5, abs=0.05)
    assert 0 < factors[99] < 0.01


def test_a_converged_row_ramps_down_by_itself_and_leaves():
    schedule = RowSchedule(2, steps=100, warm_up=0.05, ramp_down=0.2)
    ends = {}
    for step in range(1, 101):
        if step == 31:
            schedule.converge(torch.tensor([False, True]))
        factor = schedule.factor()
        for row in schedule.advance().nonzero()[:, 0].tolist():
            ends.setdefault(row, step)
        if step == 41:
            assert float(factor[0]) == 1
            assert float(factor[1]) == pytest.approx(0.5)
    assert ends == {1: 50, 0: 100}


def test_plateau_needs_progress_within_its_patience():
    plateau = Plateau(3, min_gain=0.1, patience=5)
    said = []
    for step in range(12):
        slow, fast = 0.99**step, 0.9**step
        noisy = 1.0 if step < 4 else 0.5
        said.append(plateau.update(torch.tensor([slow, fast, noisy])).tolist())
    columns = list(zip(*said))
    assert columns[0].index(True) == 5  # 5 % in five steps: not enough
    assert not any(columns[1])  # 10 % a step
    assert columns[2].index(True) == 9  # the fall at step 4 starts the count again
