"""Which step of a run is kept: the knee of style against damage, found while it runs.

Rule. Each probed step has a style score and an identity score, and is *fit* when identity and depth
variance are above their floors. The first probed step is kept. A later one replaces it
1. if the kept one is unfit, and the new one is fit or violates the floors less;
2. if both are fit, and style grew by at least `min_gain` + `damage_cost` * (identity lost since).
So steps are kept as long as style is bought at a fair price, and the curve's flat or costly tail is
left out: one snapshot is enough, and a resumed run decides alike. After `patience` probes without a
better step the run stops.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from itportrait.adapt.settings import SelectionConfig
from itportrait.learning.copies import copied


class Selection:
    """The kept step, its tensors, and the curve of all probes."""

    def __init__(self, config: SelectionConfig) -> None:
        self.config = config
        self.curve: list[dict[str, float]] = []
        self.kept: dict[str, float] | None = None
        self.tensors: dict[str, Tensor] = {}
        self._stale = 0

    def violation(self, scores: dict[str, float]) -> float:
        """Return how far a step falls below the floors (0: fit)."""
        identity = max(0.0, self.config.identity_floor - scores["identity"])
        depth = max(0.0, self.config.depth_variance_floor - scores["depth_variance"])
        return identity + depth

    def is_better(self, new: dict[str, float]) -> bool:
        """Apply the rule above to a new step."""
        if self.kept is None:
            return True
        before, after = self.violation(self.kept), self.violation(new)
        if before > 0:
            return after < before
        if after > 0:
            return False
        lost = max(0.0, self.kept["identity"] - new["identity"])
        price = self.config.min_gain + self.config.damage_cost * lost
        return new["style"] - self.kept["style"] >= price

    def add(self, step: int, scores: dict[str, float], tensors: Mapping[str, Tensor]) -> bool:
        """Record a probed step; keep its tensors (copied) if it is better.

        Returns:
            Whether it is the kept one now.
        """
        point = {"step": float(step), **scores}
        self.curve.append(point)
        if not self.is_better(point):
            self._stale += 1
            return False
        self.kept, self._stale = point, 0
        self.tensors = copied(tensors)
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the run should stop."""
        return self._stale >= self.config.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {
            "curve": [dict(point) for point in self.curve],
            "kept": None if self.kept is None else dict(self.kept),
            "tensors": dict(self.tensors),
            "stale": self._stale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.curve = [dict(point) for point in state["curve"]]
        self.kept = None if state["kept"] is None else dict(state["kept"])
        self.tensors = dict(state["tensors"])
        self._stale = state["stale"]
