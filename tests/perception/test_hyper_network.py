"""The hyper-network as a function: its first steps, its bounds, and what it is told."""

from itertools import pairwise

import torch

from itportrait.perception.hyper import Evidence, HyperNetwork

SIZES = (6, 4)


def evidence_of(gradient, error):
    small = torch.zeros(len(gradient), 3, 64, 64)
    return Evidence(small, small, gradient, error, torch.zeros(len(gradient), 4))


def test_an_untrained_network_descends_a_quadratic_as_gauss_newton_does():
    rng = torch.Generator().manual_seed(0)
    scales = torch.logspace(1.5, -1, sum(SIZES))  # a badly conditioned problem
    jacobian = torch.linalg.qr(torch.randn(40, sum(SIZES), generator=rng)).Q * scales
    network = HyperNetwork(SIZES, rank=6, passes=4, hidden=8)
    network.start_from(torch.randn(400, 40, generator=rng) @ jacobian, damping=1.0)
    wanted = 0.05 * torch.randn(2, sum(SIZES), generator=rng)
    found, former, errors = torch.zeros_like(wanted), network.nothing_yet(2), []
    for number in range(network.passes):
        missed = (found - wanted) @ jacobian.T
        errors.append(0.5 * missed.square().sum(1))
        change, former = network(number, evidence_of(missed @ jacobian, errors[-1]), former)
        found = found + change.detach()
    assert all((after < before).all() for before, after in pairwise(errors))
    assert (errors[1] < 0.02 * errors[0]).all()


def test_a_change_is_bounded_whatever_the_gradient():
    network = HyperNetwork(SIZES, rank=3, passes=2, hidden=8)
    gradient = 1e6 * torch.ones(2, sum(SIZES))
    change, former = network(
        1, evidence_of(gradient, torch.tensor([1e9, 0.0])), network.nothing_yet(2)
    )
    assert change.isfinite().all()
    assert (change.square().mean(1).sqrt() <= 0.3 + 1e-5).all()
    assert torch.equal(former.change, change.detach())
