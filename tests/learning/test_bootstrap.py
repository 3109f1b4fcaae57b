"""Intervals of means over portraits and seeds: coverage, units and pairs."""

import numpy as np
import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.learning.bootstrap import bootstrap_difference, bootstrap_mean


def crossed(rng, portraits, seeds, *, of_portraits, of_seeds, noise=0.1):
    """Return rows with effects of portraits and seeds, and the labels of both."""
    table = (
        rng.normal(0, of_portraits, (portraits, 1))
        + rng.normal(0, of_seeds, (1, seeds))
        + rng.normal(0, noise, (portraits, seeds))
    )
    first, second = np.divmod(np.arange(table.size), seeds)
    return table.ravel(), [f"person {n}" for n in first], second.tolist()


def test_one_row_a_portrait_is_the_plain_bootstrap_of_rows():
    values = np.random.default_rng(1).normal(size=24)
    chosen = np.random.default_rng(0).integers(0, 24, (10_000, 24))
    wanted = np.percentile(values[chosen].mean(1), (2.5, 97.5))
    found = bootstrap_mean(values)
    assert (found.low, found.high) == pytest.approx(tuple(wanted), abs=1e-12)
    assert found.mean == pytest.approx(values.mean())
    assert found.count == 24
    assert bootstrap_mean(values) == found
    assert bootstrap_mean(values, seed=1) != found
    assert f"{found:+.1f}" == f"{found.mean:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"


@pytest.mark.parametrize("effects", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_interval_covers_the_true_mean_whichever_of_portraits_and_seeds_varies(effects):
    rng, hits, trials = np.random.default_rng(0), 0, 150
    for _ in range(trials):
        values, portraits, seeds = crossed(
            rng, 20, 20, of_portraits=effects[0], of_seeds=effects[1]
        )
        found = bootstrap_mean(values, portraits=portraits, seeds=seeds, draws=400)
        hits += found.low <= 0 <= found.high
    assert 0.87 * trials <= hits


def test_rows_as_units_would_be_too_sure():
    values, portraits, seeds = crossed(np.random.default_rng(3), 6, 50, of_portraits=1, of_seeds=0)
    units = bootstrap_mean(values, portraits=portraits, seeds=seeds)
    rows = bootstrap_mean(values)
    assert units.high - units.low > 4 * (rows.high - rows.low)


def test_pairs_cancel_what_portraits_have_in_common():
    values, portraits, seeds = crossed(np.random.default_rng(4), 12, 3, of_portraits=5, of_seeds=0)
    better = values + 0.2 + np.random.default_rng(5).normal(0, 0.05, len(values))
    found = bootstrap_difference(better, values, portraits=portraits, seeds=seeds)
    assert found.certain
    assert found.mean == pytest.approx(0.2, abs=0.05)
    alone = bootstrap_mean(better, portraits=portraits, seeds=seeds)
    assert alone.low < 0 < alone.high
    assert not alone.certain


def test_a_table_with_gaps_has_an_interval():
    values = [1.0, 2.0, 3.0]
    found = bootstrap_mean(values, portraits=["a", "b", "b"], seeds=[0, 1, 0])
    assert found.low >= 1
    assert found.high <= 3


def test_a_single_unit_has_no_interval():
    found = bootstrap_mean([1.0, 2.0], portraits=["a", "a"])
    assert (found.mean, found.low, found.high, found.certain) == (1.5, None, None, False)
    assert f"{found:.2f}" == "1.50"


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0], [2.0]]])
def test_rows_without_a_score_are_refused(values):
    with pytest.raises(InvalidArgumentError, match="values must be a list of at least one finite"):
        bootstrap_mean(values)


def test_labels_and_pairs_belong_to_the_rows():
    with pytest.raises(InvalidArgumentError, match="portraits must be 2, one a row, got 1"):
        bootstrap_mean([1.0, 2.0], portraits=["a"])
    with pytest.raises(InvalidArgumentError, match="others must be shape"):
        bootstrap_difference([1.0, 2.0], [1.0])
