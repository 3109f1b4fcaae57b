"""Measures: their direction, and what is made of a name that is unknown."""

from itportrait.pages.measures import MEASURES, measure_of


def test_a_measure_knows_its_better_direction_and_an_unknown_one_has_none():
    assert measure_of("truth_distance").beats(0.2, 0.3)
    assert measure_of("identity").beats(0.3, 0.2)
    unknown = measure_of("smile_rate")
    assert unknown.label == "smile rate"
    assert not unknown.beats(1, 0)
    assert not unknown.beats(0, 1)
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
