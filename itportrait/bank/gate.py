"""The gate: whether a freshly adapted candidate replaces a domain's champion.

Rule, in this order; every reason is kept and shown:

1. A metric of the candidate that is not finite: not promoted.
2. A floor missed (`floors`, in the metric's own units): not promoted.
3. No champion: promoted.
4. Both were scored on the same probe set against the same target (the champion's style metrics are
   computed anew when the prompt or the references have changed). Every metric with a tolerance in
   which the candidate is worse by more than that tolerance is a regression: not promoted.
   Where the target has changed, metrics of damage (identity, depth, ...) are left to the floors,
   because another style rightly changes more or less of a face.
5. Otherwise promoted: equal within the tolerances is good enough, the newer one follows the
   specification.

What is not promoted is published all the same, as a candidate: `itportrait bank promote` can still
make it champion, by a person's decision.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field, field_validator

from itportrait.config import Settings
from itportrait.errors import UnknownNameError

HIGHER_IS_BETTER: dict[str, bool] = {
    "clip_direction": True,
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

STYLE_METRICS = frozenset({"clip_direction", "clip_image", "clip_image_gain", "kid", "kid_ratio"})
"""Metrics of how much of the target style there is; the others measure damage to the face."""

DEFAULT_TOLERANCES = {
    "clip_direction": 0.03,
    "clip_image": 0.03,
    "identity": 0.05,
    "view_consistency": 0.05,
    "depth_variance": 0.15,
    "diversity": 0.05,
}


class GateConfig(Settings):
    """How much worse a candidate may be than its champion, and what no candidate may miss."""

    tolerances: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_TOLERANCES))
    """Largest loss against the champion, by metric and in the metric's units. Metrics that are not
    listed, or that either side lacks, are not compared."""
    floors: dict[str, float] = Field(default_factory=dict)
    """Bound that every candidate must keep, by metric: a minimum, or a maximum where less is
    better. A metric that the candidate lacks is skipped; a domain without a prompt, for instance,
    has no `clip_direction`."""

    @field_validator("tolerances", "floors")
    @classmethod
    def _metrics_are_known(cls, value: dict[str, float]) -> dict[str, float]:
        for name in value:
            if name not in HIGHER_IS_BETTER:
                raise ValueError(str(UnknownNameError("metric", name, list(HIGHER_IS_BETTER))))
        return value

    @field_validator("tolerances")
    @classmethod
    def _tolerances_are_positive(cls, value: dict[str, float]) -> dict[str, float]:
        for name, tolerance in value.items():
            if not tolerance >= 0:
                raise ValueError(f"{name}: a tolerance must be at least 0, got {tolerance}")
        return value


@dataclass(frozen=True)
class Comparison:
    """One metric, candidate against champion; `loss` > 0 means that the candidate is worse."""

    metric: str
    candidate: float
    champion: float
    loss: float
    tolerance: float

    @property
    def regression(self) -> bool:
        """Whether the loss exceeds the tolerance (by more than rounding)."""
        return self.loss > self.tolerance + 1e-9


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


def judge(
    candidate: Mapping[str, float],
    champion: Mapping[str, float] | None,
    config: GateConfig | None = None,
    *,
    same_target: bool = True,
) -> GateDecision:
    """Apply the rule above.

    Args:
        candidate: metrics of the new version, by the names of `HIGHER_IS_BETTER`.
        champion: metrics of the present one on the same probe set and target; None: there is none.
        config: tolerances and floors.
        same_target: whether both were trained towards the same prompt and references.

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
    names = [
        name
        for name in config.tolerances
        if name in candidate and name in champion and (same_target or name in STYLE_METRICS)
    ]
    comparisons = tuple(
        _compare(name, candidate[name], champion[name], config.tolerances[name])
        for name in names
        if math.isfinite(candidate[name]) and math.isfinite(champion[name])
    )
    faults += [
        f"{item.metric} {item.candidate:.3f} against the champion's {item.champion:.3f}: "
        f"worse by {item.loss:.3f}, tolerance {item.tolerance:g}"
        for item in comparisons
        if item.regression
    ]
    compared = ", ".join(item.metric for item in comparisons) or "nothing to compare"
    target = "" if same_target else "; the target has changed"
    reasons = faults or [f"no regression beyond the tolerances ({compared}{target})"]
    return GateDecision(not faults, tuple(reasons), comparisons)


def _compare(name: str, candidate: float, champion: float, tolerance: float) -> Comparison:
    loss = champion - candidate if HIGHER_IS_BETTER[name] else candidate - champion
    return Comparison(name, candidate, champion, loss, tolerance)


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
