"""The gate: whether a freshly adapted candidate replaces a domain's champion.

Candidate and champion are scored on the same probe portraits, several draws of them. A difference
of theirs has two sources of luck. The draw of the portraits shows in the spread of the paired
differences, which gives their mean a standard error. The seed of the training shows between
rebuilds of a domain of which nothing else has changed; `noise` is their standard deviation, and
counts twice, for the candidate and for the champion. A difference *counts* where it exceeds three
standard errors of both together.

Rule, in this order; every reason is kept and shown:

1. A metric of the candidate that is not finite: not promoted.
2. A floor missed (`floors`, in the metric's own units): not promoted. Versions that are published
   outside of a build, by `itportrait adapt` or in a job, go through rules 1 and 2 alone.
3. No champion: promoted.
4. A regression, which is a loss beyond the metric's tolerance that counts: not promoted. Where the
   target (prompt, references) has changed, only metrics of style are compared, towards the new
   target: another style rightly changes more or less of a face.
5. The target has changed: promoted. The newer version follows the specification.
6. The target is the same: promoted only where the candidate is better, that is, where a gain counts
   and no metric is lower by more than one standard error. Else the champion stays: the same domain
   with another seed, other options or newer code is as good, and portraits that are served do not
   change by luck. A gain in style that is paid with damage, or the reverse, is nothing that numbers
   decide. More variance of depth and more diversity make no candidate better: they guard against
   flat and uniform portraits, and a weaker style has more of both.

What is not promoted is published all the same, as a candidate: `itportrait bank promote` can still
make it champion, by a person's decision.

`benchmarks/bm_gate.py` measures the noise of a domain, and how often the rule is wrong.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from itportrait.config import Settings
from itportrait.errors import UnknownNameError

HIGHER_IS_BETTER: dict[str, bool] = {
    "clip_direction": True,
    "clip_reach": True,
    "clip_image": True,
    "clip_image_gain": True,
    "identity": True,
    "view_consistency": True,
    "depth_distance": False,
    "depth_variance": True,
    "diversity": True,
    "kid": False,
    "kid_ratio": False,
}
"""Metrics that the gate knows, and whether a higher value is better."""

STYLE_METRICS = frozenset(
    {"clip_direction", "clip_reach", "clip_image", "clip_image_gain", "kid", "kid_ratio"}
)
"""Metrics of how much of the target style there is; the others measure damage to the face."""

GUARD_METRICS = frozenset({"depth_variance", "diversity"})
"""Metrics of which more makes no candidate better."""

FIRST_DRAW_METRICS = frozenset({"kid", "kid_ratio"})
"""Metrics of the first draw of portraits alone; nothing says how they vary with the draw."""
DRAW_METRICS = frozenset({"diversity"})
"""Metrics of which each draw of portraits has one value."""

RULE = 3
"""Version of the rule and of its defaults, which is raised when they change. The first promoted
whatever was not worse beyond a tolerance, and the second had no floors by default."""
COUNTS = 3.0
"""Number of standard errors from which a difference counts."""
BEHIND = 1.0
"""Number of standard errors from which a candidate is behind, and so not better as a whole."""

DEFAULT_TOLERANCES = {
    "clip_direction": 0.03,
    "clip_image": 0.03,
    "identity": 0.05,
    "view_consistency": 0.05,
    "depth_variance": 0.15,
    "diversity": 0.05,
}

DEFAULT_NOISE = {
    "clip_direction": 0.027,
    "clip_image": 0.02,
    "identity": 0.031,
    "view_consistency": 0.006,
    "depth_variance": 0.022,
    "diversity": 0.06,
}
"""Largest standard deviation that 21 rebuilds of zombie, bronze and clown had (`configs/bank.yaml`,
40 steps)."""

DEFAULT_FLOORS = {
    "identity": 0.4,
    "depth_variance": 0.6,
    "clip_image_gain": 0.05,
    "clip_reach": 0.1,
}
"""Bounds of whatever is published. On the embedded family, styles that show have a gain of 0.3 and
a reach of 0.65 at least; where a photo is the reference, or the training was too short to show
anything, the gain is 0.04 and the reach 0.06 at most."""

_REMEDIES = {
    "weak style": "raise `steps`, take a picture or words that are further from a photo of a "
    "person, or give both",
    "damaged portraits": "lower `steps` or the learning rate, or raise the weights of identity and "
    "depth",
}


class FloorsConfig(Settings):
    """Bounds that every published version must keep to become champion."""

    floors: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_FLOORS))
    """Bound that a version must keep to become champion, by metric: a minimum, or a maximum where
    less is better. A version that misses one is published as a candidate, with a warning. A metric
    that the version lacks is skipped; a domain without a prompt, for instance, has no
    `clip_reach`."""

    @field_validator("floors")
    @classmethod
    def _floors_are_known(cls, value: dict[str, float]) -> dict[str, float]:
        return _known_metrics(value)


class GateConfig(FloorsConfig):
    """How much worse a candidate may be than its champion, and what no candidate may miss."""

    tolerances: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_TOLERANCES))
    """Loss against the champion, by metric and in the metric's units. A loss is a regression where
    it exceeds this and three standard errors. Metrics that are not listed, or that either side
    lacks, are not compared."""
    noise: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_NOISE))
    """Standard deviation of a metric between rebuilds of a domain with other seeds, by metric and
    in its units. A difference that such luck explains neither promotes nor rejects. The default is
    measured on the embedded family; `benchmarks/bm_gate.py` measures that of other domains. Where
    rebuilds vary as much as this, 1 in 100 has a verdict by luck; where half as much again, 12. A
    metric that is not listed has none; a tolerance of KID, which a build has once, needs it."""
    draws: int = Field(default=3, ge=1)
    """Number of draws of probe portraits, of `probe.count` each, on which candidate and champion
    are compared. KID is that of the first draw."""

    def for_names(self) -> dict[str, Any]:
        """Return what names of builds are made of: settings that came later only where they differ
        from their defaults, which the version of the rule stands for."""
        data = self.model_dump(mode="json")
        for name, default in (("noise", DEFAULT_NOISE), ("draws", 3)):
            if data[name] == default:
                del data[name]
        return data | {"rule": RULE}

    @field_validator("tolerances", "noise")
    @classmethod
    def _numbers_are_positive(cls, value: dict[str, float]) -> dict[str, float]:
        for name, number in _known_metrics(value).items():
            if not number >= 0:
                raise ValueError(f"{name}: tolerance and noise must be at least 0, got {number}")
        return value

    @model_validator(mode="after")
    def _every_tolerance_has_its_luck(self) -> Self:
        for name in self.tolerances:
            alone = name in FIRST_DRAW_METRICS or (name in DRAW_METRICS and self.draws == 1)
            if alone and name not in self.noise:
                raise ValueError(
                    f"tolerances.{name}: a build measures it once, so that every difference would "
                    f"count; expected its noise between rebuilds, got none: give noise.{name} as "
                    "benchmarks/bm_gate.py measures it, or leave the tolerance out"
                )
        return self


def _known_metrics(value: dict[str, float]) -> dict[str, float]:
    for name in value:
        if name not in HIGHER_IS_BETTER:
            raise ValueError(str(UnknownNameError("metric", name, list(HIGHER_IS_BETTER))))
    return value


@dataclass(frozen=True)
class Comparison:
    """One metric, candidate against champion.

    Args:
        metric: its name.
        candidate, champion: means over the probe.
        loss: above 0 where the candidate is worse.
        tolerance: a loss up to this is no regression.
        error: standard error of the loss, by the draw of the portraits and the training's seed.
    """

    metric: str
    candidate: float
    champion: float
    loss: float
    tolerance: float
    error: float = 0.0

    @property
    def regression(self) -> bool:
        """Whether the loss counts and exceeds the tolerance (by more than rounding)."""
        return self.loss > max(self.tolerance, COUNTS * self.error) + 1e-9

    @property
    def gain(self) -> bool:
        """Whether the candidate's gain counts."""
        return self.metric not in GUARD_METRICS and -self.loss > COUNTS * self.error + 1e-9

    @property
    def behind(self) -> bool:
        """Whether the candidate is lower by more than one standard error."""
        return self.loss > BEHIND * self.error + 1e-9


@dataclass(frozen=True)
class GateDecision:
    """Whether the candidate becomes champion, and why.

    Args:
        promote: the verdict.
        reasons: at least one sentence.
        comparisons: of every metric that was compared.
    """

    promote: bool
    reasons: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """Return `champion` or `candidate`: what the version is published as."""
        return "champion" if self.promote else "candidate"

    def to_json(self) -> dict[str, Any]:
        """Return what a version's card holds of it."""
        return {"verdict": self.verdict, "reasons": list(self.reasons)}


def judge(
    candidate: Mapping[str, float],
    champion: Mapping[str, float] | None,
    config: GateConfig | None = None,
    *,
    same_target: bool = True,
    differences: Mapping[str, Sequence[float]] | None = None,
) -> GateDecision:
    """Apply the rule above.

    Args:
        candidate: metrics of the new version, by the names of `HIGHER_IS_BETTER`.
        champion: metrics of the present one on the same probe set and target; None: there is none.
        config: tolerances, noise and floors.
        same_target: whether both were trained towards the same prompt and references.
        differences: by metric, candidate less champion on each probe portrait or each draw of them.
            A metric without them has the noise of rebuilds alone.

    Returns:
        The decision; never raises for odd numbers.
    """
    config = config or GateConfig()
    faults = [
        f"{name} is {value}"
        for name, value in candidate.items()
        if name in HIGHER_IS_BETTER and not math.isfinite(value)
    ]
    faults += _missed_floors(candidate, config.floors)
    if champion is None:
        reasons = faults or ["first version of the domain"]
        return GateDecision(not faults, tuple(reasons))
    comparisons = tuple(
        _compare(name, candidate[name], champion[name], config, (differences or {}).get(name, ()))
        for name in config.tolerances
        if math.isfinite(candidate.get(name, math.nan))
        and math.isfinite(champion.get(name, math.nan))
        and (same_target or name in STYLE_METRICS)
    )
    faults += [_regressed(item) for item in comparisons if item.regression]
    if faults:
        return GateDecision(False, tuple(faults), comparisons)
    compared = ", ".join(item.metric for item in comparisons) or "nothing to compare"
    if not same_target:
        reason = f"no regression ({compared}; the target has changed)"
        return GateDecision(True, (reason,), comparisons)
    return _better(comparisons, compared)


def judge_alone(candidate: Mapping[str, float], config: FloorsConfig) -> GateDecision:
    """Decide about a version by the floors alone: a newer specification replaces its champion.

    Args:
        candidate: metrics of the version, by the names of `HIGHER_IS_BETTER`.
        config: the floors.
    """
    decision = judge(candidate, None, GateConfig(floors=config.floors))
    if not decision.promote:
        return decision
    measured = {name: bound for name, bound in config.floors.items() if name in candidate}
    kept = ", ".join(f"{name} {bound:g}" for name, bound in measured.items()) or "none"
    return replace(decision, reasons=(f"keeps the floors ({kept})",))


def weaknesses(metrics: Mapping[str, float], config: FloorsConfig) -> list[str]:
    """Return warnings of a version that misses floors: what it misses, and what to try."""
    by_kind: dict[str, list[str]] = {}
    for name, bound in config.floors.items():
        kind = "weak style" if name in STYLE_METRICS else "damaged portraits"
        by_kind.setdefault(kind, []).extend(_missed_floors(metrics, {name: bound}))
    return [
        f"{kind}: {', '.join(missed)}, so that it was published as a candidate and not "
        f"as champion; {_REMEDIES[kind]}; `itportrait bank promote` makes it champion all the same"
        for kind, missed in by_kind.items()
        if missed
    ]


def _better(comparisons: tuple[Comparison, ...], compared: str) -> GateDecision:
    """Decide between two versions of the same target, of which the newer has no regression."""
    gains = [item for item in comparisons if item.gain]
    behind = [item for item in comparisons if item.behind]
    better = tuple(
        f"{item.metric} {item.candidate:.3f} against the champion's {item.champion:.3f}: better by "
        f"{-item.loss:.3f}, which counts from {COUNTS * item.error:.3f}"
        for item in gains
    )
    if not gains:
        reason = f"as good as the champion, which stays: no difference counts ({compared})"
        return GateDecision(False, (reason,), comparisons)
    if behind:
        lower = ", ".join(f"{item.metric} by {item.loss:.3f}" for item in behind)
        reason = f"not better as a whole, so the champion stays: lower in {lower}"
        return GateDecision(False, (*better, reason), comparisons)
    return GateDecision(True, better, comparisons)


def _compare(
    name: str, candidate: float, champion: float, config: GateConfig, pairs: Sequence[float]
) -> Comparison:
    loss = champion - candidate if HIGHER_IS_BETTER[name] else candidate - champion
    drawn = float(np.var(pairs, ddof=1)) / len(pairs) if len(pairs) > 1 else 0.0
    error = math.sqrt(drawn + 2 * config.noise.get(name, 0.0) ** 2)
    return Comparison(name, candidate, champion, loss, config.tolerances[name], error)


def _regressed(item: Comparison) -> str:
    counted = COUNTS * item.error
    why = f"tolerance {item.tolerance:g}" + (f", counts from {counted:.3f}" if counted else "")
    return (
        f"{item.metric} {item.candidate:.3f} against the champion's {item.champion:.3f}: "
        f"worse by {item.loss:.3f}, {why}"
    )


def _missed_floors(candidate: Mapping[str, float], floors: Mapping[str, float]) -> list[str]:
    missed = []
    for name, bound in floors.items():
        value = candidate.get(name)
        if value is None or not math.isfinite(value):
            continue
        higher = HIGHER_IS_BETTER[name]
        if (value < bound) if higher else (value > bound):
            missed.append(f"{name} {value:.3f} is {'below' if higher else 'above'} {bound:g}")
    return missed
