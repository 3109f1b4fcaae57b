"""The table of scores from rows whose means, intervals and differences are known."""

import numpy as np
import pytest

from itportrait.comparison.aggregate import score_rows
from itportrait.comparison.cells import Cell, PlannedCell
from itportrait.comparison.given import Target
from itportrait.comparison.names import PORTRAIT_METRICS
from itportrait.comparison.run import CellResult
from itportrait.comparison.scoring import CellScores
from itportrait.errors import InvalidArgumentError

PEOPLE, SEEDS = 12, 5
RNG = np.random.default_rng(0)
OF_PEOPLE, OF_SEEDS = RNG.normal(0, 0.1, PEOPLE), RNG.normal(0, 0.05, SEEDS)


def cell(label, domain="zombie", seed=0, *, reason="", reasons=None, **values):
    planned = PlannedCell(Cell(label, domain, seed), Target(None, "Photo"))
    if reason:
        return CellResult(planned, reason=reason)
    return CellResult(planned, scores=CellScores("f", values, reasons or {}, []))


def portrait(label, person, seed=0, domain="zombie", **metrics):
    about = {"label": label, "domain": domain, "seed": seed, "record_id": f"person {person}"}
    return dict.fromkeys(PORTRAIT_METRICS) | about | metrics


def table(results, portraits, reference="ours"):
    """Return the rows by label, domain, seed and metric."""
    rows = score_rows(results, portraits, reference)
    return {(row["label"], row["domain"], row["seed"], row["metric"]): row for row in rows}


def crossed(**shifts):
    """Return the table of labels whose values are effects of portraits and seeds, and a shift."""
    results = [cell(label, seed=seed) for label in shifts for seed in range(SEEDS)]
    portraits = [
        portrait(label, person, seed, identity=OF_PEOPLE[person] + OF_SEEDS[seed] + shift(person))
        for label, shift in shifts.items()
        for person in range(PEOPLE)
        for seed in range(SEEDS)
    ]
    return table(results, portraits)


def test_an_interval_has_the_width_that_portraits_and_seeds_give_it():
    """Means of drawn portraits and of drawn seeds vary apart: their variances add up."""
    row = crossed(ours=lambda person: 0)["ours", "zombie", None, "identity"]
    deviation = (OF_PEOPLE.var() / PEOPLE + OF_SEEDS.var() / SEEDS) ** 0.5
    assert row["value"] == pytest.approx(OF_PEOPLE.mean() + OF_SEEDS.mean())
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * deviation, rel=0.06)
    assert row["count"] == PEOPLE * SEEDS
    seed = crossed(ours=lambda person: 0)["ours", "zombie", 3, "identity"]
    of_people = OF_PEOPLE.std() / PEOPLE**0.5  # of one seed, portraits alone vary
    assert seed["high"] - seed["low"] == pytest.approx(2 * 1.96 * of_people, rel=0.06)


def test_identical_columns_differ_by_0_with_no_width_and_are_both_the_best():
    rows = crossed(ours=lambda person: 0, same=lambda person: 0)
    row = rows["same", None, None, "identity"]
    assert (row["difference"], row["difference_low"], row["difference_high"]) == (0, 0, 0)
    assert row["high"] - row["low"] > 0.05
    assert row["best"] is rows["ours", None, None, "identity"]["best"] is True


def test_a_shift_far_below_the_spread_of_portraits_is_found():
    away = RNG.normal(0, 0.004, PEOPLE)
    rows = crossed(
        ours=lambda person: 0, shifted=lambda person: 0.01, noisy=lambda n: 0.01 + away[n]
    )
    exact, noisy = (rows[label, None, None, "identity"] for label in ("shifted", "noisy"))
    ends = (exact["difference_low"], exact["difference"], exact["difference_high"])
    assert ends == pytest.approx((0.01, 0.01, 0.01))
    width = noisy["difference_high"] - noisy["difference_low"]
    assert width == pytest.approx(2 * 1.96 * away.std() / PEOPLE**0.5, rel=0.1)
    assert noisy["difference"] == pytest.approx(0.01 + away.mean())
    assert noisy["difference_low"] > 0
    ours = rows["ours", None, None, "identity"]
    assert ours["low"] < exact["value"] < ours["high"]  # unpaired, the two could not be told apart
    assert ours["best"] is False
    assert "difference" not in ours


def test_a_difference_is_of_the_portraits_that_both_have():
    portraits = [portrait("ours", person, identity=0.1 * person) for person in range(4)]
    portraits += [portrait("other", person, identity=0.1 * person + 0.5) for person in (2, 3, 7)]
    rows = table([cell("ours"), cell("other")], portraits)
    row = rows["other", None, None, "identity"]
    assert row["difference"] == pytest.approx(0.5)
    assert (row["value"], row["count"]) == (pytest.approx(0.9), 3)


def test_what_is_missing_keeps_the_reason_of_its_own_cell():
    results = [
        cell("ours", seed=0, kid=0.3, reasons={"fid": "too few pictures", "clip_image": "none"}),
        cell("ours", seed=1, reason="out of memory"),
        cell("ours", "bronze", 0, kid=float("nan"), reasons={"clip_image": "none"}),
        cell("ours", "bronze", 1, reason="no mode fits"),
    ]
    rows = table(results, [portrait("ours", 0, identity=0.5)])
    assert rows["ours", "zombie", 0, "fid"]["reason"] == "too few pictures"
    assert rows["ours", "zombie", 1, "fid"]["reason"] == "out of memory"
    assert rows["ours", "zombie", 1, "identity"]["reason"] == "out of memory"
    assert rows["ours", "bronze", 0, "kid"]["reason"] == "the value is nan"
    assert rows["ours", "bronze", 0, "identity"]["reason"] == "no portrait has it"
    assert rows["ours", None, None, "clip_image"]["reason"] == "none; out of memory; no mode fits"
    assert rows["ours", None, None, "kid"].get("reason") is None
    missing = [row for row in rows.values() if row.get("value") is None]
    assert all(row["reason"] and row["count"] == 0 for row in missing)


def test_a_figure_that_no_table_knows_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"metrics of ours, zombie.* clip_reach"):
        table([cell("ours", kid=0.2, clip_reach=0.1)], [])


def test_without_an_interval_only_the_best_value_itself_is_marked():
    portraits = [portrait("ours", 0, identity=0.5), portrait("other", 0, identity=0.4)]
    rows = table([cell("ours"), cell("other")], portraits)
    row = rows["other", None, None, "identity"]
    assert (row["low"], row["difference"], row["difference_low"]) == (
        None,
        pytest.approx(-0.1),
        None,
    )
    assert row["best"] is None
    assert rows["ours", None, None, "identity"]["best"] is True
