"""Seeded generators: a function of their names, and of those alone, as in every release."""

import pytest
import torch

from itportrait.learning.seeds import device_rng, key_rng, step_rng


def first(rng):
    return float(torch.rand((), generator=rng))


@pytest.mark.parametrize(
    ("make", "seed"),
    [
        (lambda: step_rng(5, 0, 3, "pool"), 44403905634941048),
        (lambda: key_rng(7, "a1b2"), 61168402640516398),
        (lambda: device_rng(3, 4), 7963341790664893),
    ],
    ids=["step", "key", "device"],
)
def test_seeds_are_those_of_the_first_release(make, seed):
    assert make().initial_seed() == seed
    assert first(make()) == first(make())


def test_every_name_counts():
    steps = [(0, 0, 0, ""), (1, 0, 0, ""), (0, 1, 0, ""), (0, 0, 1, ""), (0, 0, 0, "pool")]
    assert len({first(step_rng(*names)) for names in steps}) == len(steps)
    assert len({first(key_rng(*names)) for names in [(0, "a"), (1, "a"), (0, "b")]}) == 3
    assert len({first(device_rng(seed, step)) for seed in (0, 1) for step in (0, 1)}) == 4
