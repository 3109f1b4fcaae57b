"""Means of scores with their 95 % interval, where the rows share portraits and seeds.

Rows of one portrait resemble each other, and so do rows of one training's seed. A bootstrap that
drew rows would take them for independent, and its interval would be too narrow. Here portraits are
drawn with replacement, and seeds as well, each as a whole; a row counts as often as its portrait
was drawn times as often as its seed was (the "pigeonhole bootstrap" of Owen, 2007, for crossed
factors).

From few units an interval is rough: with three seeds it is somewhat too narrow.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from itportrait.errors import InvalidArgumentError

DRAWS = 10_000
"""Number of samples of a bootstrap."""
LEVEL = 0.95
"""Share of the samples' means that an interval holds."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Args:
        mean: over all rows.
        low, high: ends of the interval; None where a single portrait and a single seed leave
            nothing to estimate it from.
        count: number of rows.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    def __format__(self, spec: str) -> str:
        """Write mean and interval in a format of numbers: `0.31 [0.25, 0.36]`."""
        mean = format(self.mean, spec)
        if self.low is None or self.high is None:
            return mean
        return f"{mean} [{format(self.low, spec)}, {format(self.high, spec)}]"

    @property
    def certain(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


def bootstrap_mean(
    values: ArrayLike,
    *,
    portraits: Sequence[Hashable] | None = None,
    seeds: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return the mean of rows with its interval over portraits and seeds.

    Args:
        values: `[N]` finite numbers, one a row.
        portraits: the portrait of each row; None: each row is a portrait of its own.
        seeds: the training's seed of each row; None: all rows are of one.
        draws: number of samples.
        seed: of the random numbers; the same rows give the same interval.

    Raises:
        InvalidArgumentError: no rows, a number that is not finite, or labels for other rows.
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 1 or not len(rows) or not np.isfinite(rows).all():
        raise InvalidArgumentError(
            "values",
            expected="a list of at least one finite number",
            actual=f"shape {list(rows.shape)}, {int((~np.isfinite(rows)).sum())} not finite",
            remedy="leave out the rows that have no score",
        )
    first = _numbered("portraits", portraits, len(rows), default=range(len(rows)))
    second = _numbered("seeds", seeds, len(rows), default=[0] * len(rows))
    mean = float(rows.mean())
    shape = (first.max() + 1, second.max() + 1)
    if shape == (1, 1):
        return Estimate(mean, None, None, len(rows))
    (means,) = _sampled((rows,), first, second, draws, seed)
    return Estimate(mean, *_interval(means), len(rows))


def _sampled(
    columns: Sequence[np.ndarray], first: np.ndarray, second: np.ndarray, draws: int, seed: int
) -> list[np.ndarray]:
    """Return the means of each column in all samples; a sample draws the same units for each."""
    shape = (first.max() + 1, second.max() + 1)
    counts = np.zeros(shape)
    np.add.at(counts, (first, second), 1)
    rng = np.random.default_rng(seed)
    by_portrait, by_seed = (_times(units, draws, rng) for units in shape)
    weights = ((by_portrait @ counts) * by_seed).sum(1)
    drawn = weights > 0  # in a table with gaps a sample can miss all rows that there are
    found: list[np.ndarray] = []
    for rows in columns:
        sums = np.zeros(shape)
        np.add.at(sums, (first, second), rows)
        found.append(((by_portrait @ sums) * by_seed).sum(1)[drawn] / weights[drawn])
    return found


def _interval(samples: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(samples, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def bootstrap_difference(
    values: ArrayLike,
    others: ArrayLike,
    *,
    portraits: Sequence[Hashable] | None = None,
    seeds: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return the mean of `values - others` with its interval; the rows are pairs.

    Args:
        values, others: `[N]` each; a row of both belongs to the same portrait and seed.
        portraits, seeds, draws, seed: as in `bootstrap_mean`.

    Raises:
        InvalidArgumentError: as there, or lists of different lengths.
    """
    ours, theirs = np.asarray(values, np.float64), np.asarray(others, np.float64)
    if ours.shape != theirs.shape:
        raise InvalidArgumentError(
            "others", expected=f"shape {list(ours.shape)}, as values", actual=list(theirs.shape)
        )
    return bootstrap_mean(ours - theirs, portraits=portraits, seeds=seeds, draws=draws, seed=seed)


def bootstrap_ratio(
    values: ArrayLike,
    others: ArrayLike,
    *,
    portraits: Sequence[Hashable] | None = None,
    seeds: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return the mean of `values` over the mean of `others`, with the interval of this ratio.

    The means of a sample are of the same portraits and seeds, so that the interval holds the spread
    of the denominator too. It has no ends where the interval of the denominator holds 0: the ratio
    is then without bounds.

    Args:
        values, others: `[N]` each; a row of both belongs to the same portrait and seed.
        portraits, seeds, draws, seed: as in `bootstrap_mean`.

    Raises:
        InvalidArgumentError: as there, lists of different lengths, or `others` of mean 0.
    """
    above = bootstrap_mean(values, portraits=portraits, seeds=seeds, draws=draws, seed=seed)
    below = bootstrap_mean(others, portraits=portraits, seeds=seeds, draws=draws, seed=seed)
    if above.count != below.count or below.mean == 0:
        raise InvalidArgumentError(
            "others",
            expected=f"{above.count} numbers whose mean is not 0",
            actual=f"{below.count} of mean {below.mean:g}",
        )
    share = above.mean / below.mean
    if not below.certain:
        return Estimate(share, None, None, above.count)
    first = _numbered("portraits", portraits, above.count, default=range(above.count))
    second = _numbered("seeds", seeds, above.count, default=[0] * above.count)
    columns = np.asarray(values, np.float64), np.asarray(others, np.float64)
    over, under = _sampled(columns, first, second, draws, seed)
    return Estimate(share, *_interval(over / under), above.count)


def _numbered(
    name: str, labels: Sequence[Hashable] | None, count: int, default: Sequence[Hashable]
) -> np.ndarray:
    """Return the number of each row's unit, in the order in which units appear first."""
    labels = default if labels is None else labels
    if len(labels) != count:
        raise InvalidArgumentError(name, expected=f"{count}, one a row", actual=len(labels))
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return np.array([numbers[label] for label in labels])


def _times(units: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return `[draws, units]`: how often each unit is drawn in each sample."""
    if units == 1:
        return np.ones((draws, 1))
    chosen = rng.integers(0, units, (draws, units)) + units * np.arange(draws)[:, None]
    return np.bincount(chosen.ravel(), minlength=draws * units).reshape(draws, units).astype(float)
