"""KID against hand-computed values and its own statistical properties."""

import itertools

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.evaluate import kid, polynomial_mmd


def test_polynomial_mmd_equals_hand_computation():
    # One feature: the kernel is (x y + 1)^3.
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    # within real: k(0, 1) = 1, twice, over 2 pairs; within fake: k(1, 2) = 27;
    # across: k(0,1) = 1, k(0,2) = 1, k(1,1) = 8, k(1,2) = 27, mean 37 / 4.
    assert polynomial_mmd(real, fake) == pytest.approx(1 + 27 - 2 * 37 / 4)


def test_polynomial_mmd_equals_the_definition_summed_pair_by_pair():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(7, 16, generator=rng, dtype=torch.float64)
    fake = torch.randn(7, 16, generator=rng, dtype=torch.float64) + 0.3

    def mean(a, b, pairs):
        kernels = [(float(a[i] @ b[j]) / 16 + 1) ** 3 for i, j in pairs]
        return sum(kernels) / len(kernels)

    others = list(itertools.permutations(range(7), 2))
    every = list(itertools.product(range(7), repeat=2))
    wanted = mean(real, real, others) + mean(fake, fake, others) - 2 * mean(real, fake, every)
    assert polynomial_mmd(real, fake) == pytest.approx(wanted, rel=1e-9)


def test_polynomial_mmd_compares_sets_of_one_size():
    with pytest.raises(InvalidArgumentError, match="features must be 3 rows in both sets, got 2"):
        polynomial_mmd(torch.zeros(3, 4), torch.zeros(2, 4))


def test_kid_is_near_zero_for_equal_distributions_and_grows_with_distance():
    rng = torch.Generator().manual_seed(0)
    real, same = torch.randn(2, 400, 32, generator=rng)
    near = kid(real, same + 0.2).mean
    far = kid(real, same + 0.6).mean
    assert abs(kid(real, same).mean) < 0.02
    assert 0.02 < near < far


def test_kid_repeats_with_its_seed_and_caps_subsets_at_the_smaller_set():
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(50, 8, generator=rng), torch.randn(30, 8, generator=rng)
    assert kid(real, fake, seed=3) == kid(real, fake, seed=3)
    assert kid(real, fake, subset_size=20, seed=3) != kid(real, fake, subset_size=20, seed=4)
    assert kid(real, fake, subset_size=10_000).mean == pytest.approx(
        kid(real, fake, subset_size=30).mean
    )


@pytest.mark.parametrize("shapes", [((1, 4), (5, 4)), ((5, 4), (5, 3)), ((5,), (5,))])
def test_kid_refuses_sets_it_cannot_compare(shapes):
    with pytest.raises(InvalidArgumentError, match="features"):
        kid(torch.zeros(shapes[0]), torch.zeros(shapes[1]))
