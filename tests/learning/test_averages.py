"""Averages of weights."""

import torch
from torch import nn

from itportrait.learning.averages import move_average


def test_the_average_keeps_its_share():
    average, current = [torch.zeros(3)], [nn.Parameter(torch.ones(3))]
    move_average(average, current, 0.9)
    torch.testing.assert_close(average[0], torch.full((3,), 0.1))
    move_average(average, current, 1.0)
    torch.testing.assert_close(average[0], torch.full((3,), 0.1))
    move_average(average, current, 0.0)
    assert torch.equal(average[0], torch.ones(3))
    assert not average[0].requires_grad


def test_it_is_interpolation_to_the_bit():
    rng = torch.Generator().manual_seed(1)
    old = [torch.randn(7, 5, generator=rng) for _ in range(3)]
    new = [torch.randn(7, 5, generator=rng) for _ in range(3)]
    wanted = [a.clone().lerp_(b, 1 - 0.995) for a, b in zip(old, new, strict=True)]
    move_average(old, new, 0.995)
    assert all(torch.equal(a, b) for a, b in zip(old, wanted, strict=True))
