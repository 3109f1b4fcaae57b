"""Judge the claims of docs/claims.yaml: paired differences, their intervals, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import yaml

from itportrait.comparison.estimates import Key, difference, ratio
from itportrait.learning.bootstrap import Estimate
from itportrait.pages.comparison import measure_of

CLAIMS = Path(__file__).resolve().parent / "claims.yaml"
HOLDS, CONTRARY, OPEN, ABSENT = "holds", "does not hold", "not decided", "not run"
EVEN = (0.5, 2.0)
"""A step is even if it lies between these shares of the mean step."""

Measured = Mapping[str, Mapping[str, Mapping[Key, float]]]
"""Label -> metric -> measurements."""


@dataclass(frozen=True)
class Claim:
    """One claim; see docs/claims.yaml."""

    name: str
    title: str
    text: str
    metrics: Mapping[str, Literal["lower", "higher"]]
    variant: str = ""
    against: Sequence[str] = ()
    evenly: Sequence[str] = ()


@dataclass(frozen=True)
class Finding:
    """What one metric says about one pair of labels.

    Args:
        label, other: the two; the difference is the first minus the second.
        metric: its name.
        verdict: one of the four above.
        difference: with its interval, None where nothing was measured on both.
        means: of both, over the same portraits, domains and seeds.
        keys: of the measurements that both have.
        domains: in how many of its domains the mean difference has the claimed direction.
    """

    label: str
    other: str
    metric: str
    verdict: str
    difference: Estimate | None = None
    means: tuple[float, float] | None = None
    keys: Sequence[Key] = field(default=(), repr=False)
    domains: str = ""


def read_claims(path: Path = CLAIMS) -> list[Claim]:
    """Return the claims of a file, in its order."""
    return [Claim(name, **about) for name, about in yaml.safe_load(path.read_text()).items()]


def judge(claim: Claim, measured: Measured) -> list[Finding]:
    """Return what each metric of a claim says about each pair of labels."""
    pairs = [(claim.variant, other) for other in claim.against]
    # The stronger style comes first, so that a step has the direction of the metric.
    pairs += [(after, before) for before, after in pairwise(claim.evenly)]
    return [
        compare(label, other, metric, direction, measured)
        for label, other in pairs
        for metric, direction in claim.metrics.items()
    ]


def compare(
    label: str, other: str, metric: str, direction: Literal["lower", "higher"], measured: Measured
) -> Finding:
    """Return the difference of two labels in a metric, and whether it has the claimed direction."""
    ours, theirs = (measured.get(name, {}).get(metric, {}) for name in (label, other))
    keys = sorted(ours.keys() & theirs.keys())
    estimate = difference({key: ours[key] for key in keys}, theirs)
    if estimate is None:
        return Finding(label, other, metric, ABSENT)
    values, others = [ours[key] for key in keys], [theirs[key] for key in keys]
    verdict = OPEN
    if estimate.certain:
        verdict = HOLDS if (estimate.mean > 0) == (direction == "higher") else CONTRARY
    means = sum(values) / len(keys), sum(others) / len(keys)
    by_domain: dict[str, float] = {}
    for key, value, base in zip(keys, values, others, strict=True):
        by_domain[key[0]] = by_domain.get(key[0], 0.0) + value - base
    claimed = sum((total > 0) == (direction == "higher") for total in by_domain.values() if total)
    domains = f"{claimed} of {len(by_domain)}"
    return Finding(label, other, metric, verdict, estimate, means, keys, domains)


def evenness(claim: Claim, metric: str, measured: Measured) -> list[tuple[str, Estimate, str]]:
    """Return for each step between labels its share of the mean step, and whether it is even.

    The shares are of steps that were measured on the same portraits and seeds. No step is even
    where the whole way certainly has the other direction than the claimed one, and none is decided
    where its direction is not certain.
    """
    columns = [measured.get(label, {}).get(metric, {}) for label in claim.evenly]
    keys = sorted(set.intersection(*(set(column) for column in columns)))
    whole = difference({key: columns[-1][key] for key in keys}, columns[0])
    if whole is None or whole.mean == 0:
        return []
    mean = {key: (columns[-1][key] - columns[0][key]) / (len(columns) - 1) for key in keys}
    found = []
    for number in range(1, len(columns)):
        step = {key: columns[number][key] - columns[number - 1][key] for key in keys}
        share = ratio(step, mean)
        even = _even(share)
        if not whole.certain:
            even = OPEN
        elif (whole.mean > 0) != (claim.metrics[metric] == "higher"):
            even = CONTRARY
        found.append((claim.evenly[number], share, even))
    return found


def _even(share: Estimate) -> str:
    if share.low is None or share.high is None:
        return OPEN
    if EVEN[0] <= share.low and share.high <= EVEN[1]:
        return HOLDS
    return CONTRARY if share.high < EVEN[0] or share.low > EVEN[1] else OPEN


def verdict(verdicts: Sequence[tuple[str, str, str]]) -> str:
    """Return the sentence that sums up single verdicts.

    Args:
        verdicts: of each, the label it is taken against, the metric, and the verdict.
    """
    by = {
        kind: [(other, metric) for other, metric, single in verdicts if single == kind]
        for kind in (HOLDS, CONTRARY, OPEN, ABSENT)
    }
    run = len(verdicts) - len(by[ABSENT])
    if not run:
        return "**Not run**: no comparison has measured it."
    if by[HOLDS]:
        word = "Holds" if len(by[HOLDS]) == run else "Holds in part"
    else:
        word = "Does not hold" if by[CONTRARY] else "Not decided"
    parts = [f"as claimed in {len(by[HOLDS])} of {run} figures"]
    if by[CONTRARY]:
        parts.append(f"certainly not in {len(by[CONTRARY])}: {_named(by[CONTRARY])}")
    if by[OPEN]:
        parts.append(f"open in {len(by[OPEN])}: {_named(by[OPEN])}")
    rest = f" Not run: {_named(by[ABSENT])}." if by[ABSENT] else ""
    return f"**{word}**: {'; '.join(parts)}.{rest}"


def _named(verdicts: Sequence[tuple[str, str]]) -> str:
    by: dict[str, list[str]] = {}
    for other, metric in verdicts:
        by.setdefault(other, []).append(metric)
    return ", ".join(f"`{other}` ({', '.join(metrics)})" for other, metrics in by.items())


def label_of(metric: str) -> str:
    """Return what people call a metric."""
    if metric == "style_and_identity":
        return "Identity less distance to truth"
    return measure_of(metric).label
