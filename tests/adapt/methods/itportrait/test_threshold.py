"""The threshold function, in all kinds."""

import pytest
import torch

from itportrait.adapt.methods.itportrait.balance import ThresholdConfig
from itportrait.adapt.methods.itportrait.threshold import Threshold
from itportrait.learning.seeds import step_rng


def make(steps=100, **fields):
    return Threshold(ThresholdConfig.parse(fields), steps=steps)


def test_hard_switches_at_the_published_value():
    threshold = make()
    assert threshold.weights(0.649) == (1.0, 0.0)
    assert threshold.weights(0.651) == (0.0, 1.0)


def test_hard_draws_text_with_the_published_chance():
    threshold = make()
    skipped = [threshold.skips_image(step_rng(0, 0, step)) for step in range(2000)]
    assert sum(skipped) / len(skipped) == pytest.approx(0.35, abs=0.03)


def test_even_is_half_and_half_whatever_the_distance():
    threshold = make(kind="even")
    assert threshold.weights(0.0) == threshold.weights(2.0) == (0.5, 0.5)
    assert not any(threshold.skips_image(step_rng(0, 0, step)) for step in range(50))


def test_soft_is_smooth_and_half_at_the_threshold():
    threshold = make(kind="soft", value=0.5, softness=0.2)
    assert threshold.weights(0.5) == pytest.approx((0.5, 0.5))
    images = [threshold.weights(distance)[1] for distance in (0.1, 0.4, 0.6, 0.9)]
    assert images == sorted(images)
    assert images[0] < 0.05
    assert images[-1] > 0.95
    assert all(sum(threshold.weights(d)) == pytest.approx(1) for d in (0.0, 0.3, 1.7))


def test_auto_takes_the_quantile_of_the_first_steps_and_says_so(caplog):
    caplog.set_level("INFO")
    threshold = make(value="auto", auto_steps=3, auto_quantile=0.5)
    for distance in (0.1, 0.5, 0.2):
        assert not threshold.skips_image(step_rng(0, 0, 0))
        assert threshold.weights(distance) == (1.0, 0.0)
    assert threshold.value == pytest.approx(0.2)
    assert "auto -> 0.2000" in caplog.text
    assert threshold.weights(0.3) == (0.0, 1.0)


@pytest.mark.parametrize(("steps", "gathered"), [(12, 3), (10, 2), (3, 1), (0, 1)])
def test_auto_leaves_most_of_a_short_stage_to_the_threshold(steps, gathered):
    threshold = make(steps=steps, value="auto", auto_steps=10)
    for _ in range(gathered):
        assert threshold.value is None
        threshold.weights(0.2)
    assert threshold.weights(0.3) == (0.0, 1.0)


def test_every_kind_draws_the_same_number_of_random_values():
    states = []
    for kind in ("hard", "even", "soft"):
        rng = step_rng(0, 0, 0)
        make(kind=kind).skips_image(rng)
        states.append(rng.get_state())
    assert all(torch.equal(state, states[0]) for state in states)


def test_state_goes_on_in_the_middle_of_gathering():
    first = make(value="auto", auto_steps=2)
    first.weights(0.4)
    second = make(value="auto", auto_steps=2)
    second.load_state_dict(first.state_dict())
    second.weights(0.6)
    assert second.value == pytest.approx(0.5)
