"""Means and differences of a comparison's measurements, and which of several labels are best.

Tables, pages and claims take their intervals from here, so that one figure has one interval.
"""

from collections.abc import Iterable, Mapping
from typing import TypedDict

from itportrait.learning.bootstrap import (
    DRAWS,
    Estimate,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
)
from itportrait.pages.comparison import measure_of

Key = tuple[str, str, int]
"""Domain, portrait and seed of a measurement; those of a whole style have "" as portrait."""
Values = Mapping[Key, float]


def unit(key: Key) -> str:
    """Return what a bootstrap draws as a whole: the portrait, or of a whole style its domain."""
    domain, portrait, _ = key
    return portrait or f"domain {domain}"


def mean_of(values: Values, draws: int = DRAWS) -> Estimate:
    """Return the mean of measurements with its interval over units and seeds."""
    return bootstrap_mean(list(values.values()), draws=draws, **_drawn(values))


def difference(values: Values, others: Values, draws: int = DRAWS) -> Estimate | None:
    """Return the mean of values less others over what both have; None where that is nothing."""
    both = [key for key in values if key in others]
    if not both:
        return None
    ours, theirs = [values[key] for key in both], [others[key] for key in both]
    return bootstrap_difference(ours, theirs, draws=draws, **_drawn(both))


def ratio(values: Values, others: Values) -> Estimate:
    """Return the mean of values over the mean of others, which have the same keys.

    Both means vary together: each sample of the bootstrap draws the same units and seeds for both.
    """
    below = [others[key] for key in values]
    return bootstrap_ratio(list(values.values()), below, **_drawn(values))


class _Drawn(TypedDict):
    portraits: list[str]
    seeds: list[int]


def _drawn(keys: Iterable[Key]) -> _Drawn:
    """Return the unit and the seed of each measurement, as a bootstrap takes them."""
    listed = list(keys)
    return {"portraits": [unit(key) for key in listed], "seeds": [key[2] for key in listed]}


def best_labels(
    columns: Mapping[str, Values], metric: str, draws: int = DRAWS
) -> dict[str, bool | None]:
    """Tell of each label whether it is the best in a metric, or not certainly worse than the best.

    A label that lacks domains has another mean: it can be as good as the best, not the best.

    Args:
        columns: label -> its measurements in the metric; those without any are left out.
        metric: its name.
        draws: number of samples of each interval.

    Returns:
        For each label True, False, or None where there is no interval of its difference to the
        best. Nothing where neither direction of the metric is better.
    """
    measure = measure_of(metric)
    known = {label: values for label, values in columns.items() if values}
    if measure.better is None or not known:
        return {}
    sign = 1 if measure.better == "more" else -1
    most = max(map(len, known.values()))
    means = {
        label: sum(values.values()) / most for label, values in known.items() if len(values) == most
    }
    top = max(means, key=lambda label: sign * means[label])
    return {
        label: True if label == top else _as_good(values, known[top], sign, draws)
        for label, values in known.items()
    }


def _as_good(values: Values, best: Values, sign: int, draws: int) -> bool | None:
    gap = difference(values, best, draws)
    end = None if gap is None else gap.high if sign > 0 else gap.low
    return None if end is None else sign * end >= 0
