"""One rule for intervals, and one for what is as good as the best."""

import random

import pytest

from itportrait.comparison.estimates import best_labels, difference, mean_of, ratio, unit
from itportrait.learning.bootstrap import bootstrap_mean

DOMAINS, SEEDS = ("bronze", "zombie", "clay"), (0, 1, 2)


def portraits(mean, *, spread=0.1, noise=0.001, count=12, seed=0):
    """Return measurements of portraits that differ among themselves far more than methods do."""
    rng = random.Random(seed)
    return {
        ("bronze", f"p{person}", number): mean + spread * person / count + rng.gauss(0, noise)
        for person in range(count)
        for number in SEEDS
    }


def styles(*means):
    """Return measurements of whole styles: one mean a domain, hardly any spread between seeds."""
    return {
        (domain, "", seed): mean + seed / 1000
        for domain, mean in zip(DOMAINS, means, strict=True)
        for seed in SEEDS
    }


def test_figures_of_whole_styles_vary_over_their_domains():
    values = styles(0.2, 0.5, 0.8)
    assert len({unit(key) for key in values}) == 3
    estimate = mean_of(values)
    assert estimate.high - estimate.low > 0.2  # of seeds alone it would be below 0.002
    gap = difference(values, styles(0.3, 0.3, 0.3))
    assert not gap.certain
    alone = {key: value for key, value in values.items() if key[0] == "bronze"}
    assert mean_of(alone).high - mean_of(alone).low < 0.003


def test_portraits_are_units_over_all_domains():
    values = {
        (domain, person, 0): 0.1 * place for domain in DOMAINS for place, person in enumerate("abc")
    }
    by_hand = bootstrap_mean(list(values.values()), portraits=[key[1] for key in values])
    assert mean_of(values) == by_hand


def test_as_good_as_the_best_is_decided_by_the_paired_difference():
    columns = {
        "best": portraits(0.200),
        "luck": portraits(0.2001, seed=1),
        "worse": portraits(0.21, seed=2),  # within the best's own interval, yet worse on everyone
        "alone": {("zombie", "p0", 0): 0.1},
        "none": {},
    }
    best, worse = mean_of(columns["best"]), mean_of(columns["worse"])
    assert best.low < worse.mean < best.high
    judged = best_labels(columns, "truth_distance")
    assert judged == {"best": True, "luck": True, "worse": False, "alone": None}
    assert best_labels(columns, "identity")["worse"] is True  # where more is better
    assert best_labels(columns, "depth_variance") == {}


def test_a_ratio_varies_with_its_denominator():
    rng = random.Random(0)
    below = {("bronze", f"p{n}", 0): 1 + rng.gauss(0, 0.5) for n in range(20)}
    steady = {key: 0.5 for key in below}
    share = ratio(steady, below)
    assert share.high - share.low > 0.1
    halves = ratio({key: value / 2 for key, value in below.items()}, below)
    assert (halves.low, halves.high) == pytest.approx((0.5, 0.5))


def test_a_ratio_to_what_may_be_0_has_no_interval():
    below = {("bronze", f"p{n}", 0): (-1) ** n + 0.01 for n in range(20)}
    share = ratio({key: 1.0 for key in below}, below)
    assert (share.low, share.high) == (None, None)
