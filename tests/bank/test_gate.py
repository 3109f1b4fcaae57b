"""The gate: what becomes champion, what is held back, and why."""

import math

import pytest

from itportrait.bank.gate import HIGHER_IS_BETTER, STYLE_METRICS, GateConfig, judge
from itportrait.errors import InvalidArgumentError

GOOD = {
    "clip_direction": 0.40,
    "clip_image": 0.80,
    "identity": 0.70,
    "view_consistency": 0.90,
    "depth_distance": 0.02,
    "depth_variance": 0.95,
    "diversity": 0.40,
}


def test_first_version_is_promoted():
    decision = judge(GOOD, None)
    assert decision.promote
    assert decision.reasons == ("first version of the domain",)


def test_equal_candidate_is_promoted():
    assert judge(GOOD, GOOD).promote


@pytest.mark.parametrize("metric", sorted(GateConfig().tolerances))
def test_loss_within_the_tolerance_is_promoted_and_beyond_it_is_not(metric):
    tolerance = GateConfig().tolerances[metric]
    sign = -1 if HIGHER_IS_BETTER[metric] else 1
    within = GOOD | {metric: GOOD[metric] + sign * tolerance}
    beyond = GOOD | {metric: GOOD[metric] + sign * (tolerance + 0.01)}
    assert judge(within, GOOD).promote
    decision = judge(beyond, GOOD)
    assert not decision.promote
    assert decision.verdict == "candidate"
    assert len(decision.reasons) == 1
    assert metric in decision.reasons[0]


def test_lower_is_better_for_distances():
    config = GateConfig(tolerances={"depth_distance": 0.01, "kid": 0.01})
    better = {"depth_distance": 0.0, "kid": 0.1}
    worse = {"depth_distance": 0.02, "kid": 0.2}
    assert judge(better, worse, config).promote
    decision = judge(worse, better, config)
    assert {item.metric for item in decision.comparisons if item.regression} == {
        "depth_distance",
        "kid",
    }
    assert decision.comparisons[0].loss == pytest.approx(0.02)


def test_all_reasons_are_given_at_once():
    bad = GOOD | {"identity": 0.1, "clip_direction": 0.0}
    reasons = judge(bad, GOOD, GateConfig(floors={"identity": 0.5})).reasons
    assert len(reasons) == 3
    assert reasons[0] == "identity 0.100 is below 0.5"


def test_floor_holds_for_the_first_version_too_and_at_most_where_lower_is_better():
    config = GateConfig(floors={"identity": 0.5, "depth_distance": 0.05, "kid": 0.5})
    assert judge(GOOD, None, config).promote  # has no kid: that floor is skipped
    assert not judge(GOOD | {"depth_distance": 0.06}, None, config).promote
    assert not judge(GOOD | {"identity": 0.49}, None, config).promote


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_number_that_is_not_finite_is_never_promoted(value):
    decision = judge(GOOD | {"identity": value}, None)
    assert not decision.promote
    assert "identity is" in decision.reasons[0]


def test_champion_without_a_finite_number_cannot_hold_the_candidate_back():
    assert judge(GOOD, GOOD | {"identity": math.nan}).promote


def test_metric_that_one_side_lacks_is_skipped():
    candidate = {k: v for k, v in GOOD.items() if k != "clip_direction"}
    decision = judge(candidate, GOOD)
    assert decision.promote
    assert "clip_direction" not in {item.metric for item in decision.comparisons}


def test_changed_target_compares_style_alone():
    candidate = GOOD | {"identity": 0.55}  # another style rightly changes more of the face
    assert not judge(candidate, GOOD).promote
    decision = judge(candidate, GOOD, same_target=False)
    assert decision.promote
    assert {item.metric for item in decision.comparisons} <= STYLE_METRICS
    worse_style = judge(GOOD | {"clip_direction": 0.2}, GOOD, same_target=False)
    assert not worse_style.promote


def test_configuration_refuses_unknown_metrics_and_negative_tolerances():
    with pytest.raises(InvalidArgumentError, match=r"clip_directon.*known: .*clip_direction"):
        GateConfig.parse({"tolerances": {"clip_directon": 0.1}})
    with pytest.raises(InvalidArgumentError, match="unknown metric"):
        GateConfig.parse({"floors": {"beauty": 0.1}})
    with pytest.raises(InvalidArgumentError, match="at least 0"):
        GateConfig.parse({"tolerances": {"identity": -0.1}})
