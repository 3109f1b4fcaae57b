import torch
from torch import nn

from itportrait.learning.muon import Muon, orthogonalize, split_parameters


def test_orthogonalize_brings_singular_values_near_one_and_keeps_directions():
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(0))
    result = orthogonalize(matrix, steps=6)
    assert torch.linalg.svdvals(result).min() > 0.6
    assert torch.linalg.svdvals(result).max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    nearest = u @ v
    cosine = (result * nearest).sum() / (result.norm() * nearest.norm())
    assert cosine > 0.97


def test_orthogonalize_of_the_transpose_is_the_transpose():
    matrix = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonalize(matrix.T), orthogonalize(matrix).T)


def test_a_step_has_a_root_mean_square_of_about_the_learning_rate():
    weight = nn.Parameter(torch.zeros(32, 16, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) * 1e-6
    Muon([weight], lr=0.01).step()
    assert 0.006 < weight.detach().square().mean().sqrt() < 0.014


def test_muon_minimizes_a_quadratic():
    target = torch.randn(8, 8, generator=torch.Generator().manual_seed(3))
    weight = nn.Parameter(torch.zeros(8, 8))
    optimizer = Muon([weight], lr=0.02)
    first = (weight - target).square().mean().item()
    for _ in range(200):
        optimizer.zero_grad()
        (weight - target).square().mean().backward()
        optimizer.step()
    assert (weight - target).square().mean().item() < 0.1 * first


def test_split_takes_named_3x3_convolutions_only():
    module = nn.ModuleDict(
        {"a": nn.Conv2d(2, 4, 3), "b": nn.Conv2d(2, 4, 3), "c": nn.Conv2d(2, 4, 1)}
    )
    matrices, rest = split_parameters(module, muon=("a.", "c."))
    assert [p is module["a"].weight for p in matrices] == [True]
    assert len(rest) == 5
