"""KID and FID against hand-computed values, the definition, and their statistical properties."""

import itertools

import numpy as np
import pytest
import scipy.linalg
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.evaluate import fewest_for_fid, fid, kid


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_kid_equals_hand_computation():
    # One feature: the kernel is (x y + 1)^3; a subset holds everything.
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    # within real: k(0, 1) = 1, twice, over 2 pairs; within fake: k(1, 2) = 27;
    # across: k(0,1) = 1, k(0,2) = 1, k(1,1) = 8, k(1,2) = 27, mean 37 / 4.
    assert kid(real, fake, subsets=1).mean == pytest.approx(1 + 27 - 2 * 37 / 4)


def definition(real, fake):
    """Return the unbiased squared MMD, summed pair by pair."""

    def mean(a, b, pairs):
        kernels = [(float(a[i] @ b[j]) / a.shape[1] + 1) ** 3 for i, j in pairs]
        return sum(kernels) / len(kernels)

    others = list(itertools.permutations(range(len(real)), 2))
    every = list(itertools.product(range(len(real)), repeat=2))
    return mean(real, real, others) + mean(fake, fake, others) - 2 * mean(real, fake, every)


def test_kid_is_the_definition_averaged_over_the_seed_s_subsets():
    """The draws are those of the first release: banks' stored values keep their meaning."""
    real, fake = normal(9, 16).double(), normal(8, 16, seed=1).double() + 0.3
    rng, values = torch.Generator().manual_seed(5), []
    for _ in range(4):
        a = real[torch.randperm(9, generator=rng)[:6]]
        b = fake[torch.randperm(8, generator=rng)[:6]]
        values.append(definition(a, b))
    found = kid(real, fake, subsets=4, subset_size=6, seed=5)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9)
    assert found.std == pytest.approx(np.std(values), rel=1e-9)


def test_kid_leaves_the_global_generator_as_it_was():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    kid(normal(9, 4), normal(9, 4, seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_kid_is_near_zero_for_equal_distributions_and_grows_with_distance():
    real, same = normal(2, 400, 32)
    near = kid(real, same + 0.2).mean
    far = kid(real, same + 0.6).mean
    assert abs(kid(real, same).mean) < 0.02
    assert 0.02 < near < far


def test_kid_repeats_with_its_seed_and_caps_subsets_at_the_smaller_set():
    real, fake = normal(50, 8), normal(30, 8, seed=1)
    assert kid(real, fake, seed=3) == kid(real, fake, seed=3)
    assert kid(real, fake, subset_size=20, seed=3) != kid(real, fake, subset_size=20, seed=4)
    assert kid(real, fake, subset_size=10_000).mean == pytest.approx(
        kid(real, fake, subset_size=30).mean
    )


def test_fid_equals_the_published_formula():
    real, fake = normal(40, 5).double(), 1.5 * normal(30, 5, seed=1).double() + 0.4
    means = real.mean(0) - fake.mean(0)
    first, second = (np.cov(each.numpy(), rowvar=False) for each in (real, fake))
    root = scipy.linalg.sqrtm(first @ second)
    wanted = float(means @ means) + np.trace(first + second - 2 * root.real)
    assert fid(real, fake) == pytest.approx(wanted, rel=1e-6)


def test_fid_is_refused_below_a_sensible_number_of_pictures():
    assert fewest_for_fid(normal(3, 8)) == 9
    fid(normal(9, 8), normal(9, 8, seed=1))
    with pytest.raises(
        InvalidArgumentError, match=r"at least 9 pictures in both sets for FID.*KID"
    ):
        fid(normal(8, 8), normal(20, 8, seed=1))


@pytest.mark.parametrize("distance", [kid, fid])
@pytest.mark.parametrize("shapes", [((1, 4), (5, 4)), ((5, 4), (5, 3)), ((5,), (5,))])
def test_sets_that_cannot_be_compared_are_refused(distance, shapes):
    with pytest.raises(InvalidArgumentError, match="features"):
        distance(torch.zeros(shapes[0]), torch.zeros(shapes[1]))
