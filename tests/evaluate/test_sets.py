"""Measures of sets: both sides are of the same portraits, and what is missing has a reason."""

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.evaluate import SetJudge
from itportrait.image import to_uint8
from tests.helpers.tiny_family import tiny_bundle

VIEWS = 4


@pytest.fixture(scope="module")
def judge():
    return SetJudge(tiny_bundle(), subsets=2, subset_size=3)


def pictures(count, shade=0.0, seed=0):
    """Return views `[count, 4, 3, 32, 32]` of noise around a shade."""
    noise = torch.rand(count, VIEWS, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return (shade + 0.4 * noise - 0.2).clamp(-1, 1)


def shown(views):
    return [list(to_uint8(each)) for each in views]


def test_nearer_to_the_truth_than_the_base_is_a_share_below_one(judge):
    truth = judge.features(pictures(6, 0.5, seed=1)[:, 0])
    plain = judge.features(pictures(5, -0.5))
    values, reasons = judge.measure(shown(pictures(5, 0.45)), plain, truth)
    assert values.keys() == {"diversity", "kid", "kid_ratio"}
    assert values["kid_ratio"] < 0.3
    assert "at least" in reasons["fid"]


def test_a_base_that_is_the_truth_leaves_no_share(judge):
    same = judge.features(pictures(5))
    values, reasons = judge.measure(shown(pictures(5)), same, same.flatten(0, 1))
    assert "kid_ratio" not in values
    assert "not above 0" in reasons["kid_ratio"]


def test_without_truth_or_with_one_portrait_there_is_less(judge):
    assert judge.measure(shown(pictures(1))) == ({}, {})
    values, reasons = judge.measure(shown(pictures(2)))
    assert (values.keys(), reasons) == ({"diversity"}, {})


def test_sets_of_different_portraits_are_refused(judge):
    plain = judge.features(pictures(3))
    with pytest.raises(InvalidArgumentError, match="plain must be 2 portraits, as views, got 3"):
        judge.measure(shown(pictures(2)), plain, plain.flatten(0, 1))
