"""The threshold function: how much text and how much image guides a step of stage 2.

Source: ITportrait (arXiv 2304.04364), self-adaptive control; the `auto` value is ours.
"""

import logging
from typing import Any

import torch
from torch import Generator

from itportrait.adapt.methods.itportrait.balance import BALANCES, ThresholdConfig

logger = logging.getLogger(__name__)


class Threshold:
    """Choose the weights (text, image) of a step, from how far the image copy has moved.

    With `value: auto` the first `auto_steps` steps, a quarter of stage 2 at most, are text steps,
    in which distances are gathered; their quantile becomes the threshold. Part of the checkpoint,
    so a resumed run decides alike.

    Args:
        config: settings of the threshold.
        steps: number of stage-2 steps of the run.
    """

    def __init__(self, config: ThresholdConfig, steps: int) -> None:
        self.config = config
        self.auto_steps = max(1, min(config.auto_steps, steps // 4))
        self.balance = BALANCES.get(config.kind)(config)
        self.value: float | None = None if config.value == "auto" else float(config.value)
        self._gathered: list[float] = []

    def skips_image(self, rng: Generator) -> bool:
        """Draw the chance of a text step that needs no distance: its image render is saved.

        One number is drawn whatever the kind, so that all kinds see the same codes.
        """
        drawn = float(torch.rand((), generator=rng))
        return self.value is not None and self.balance.is_text_step(drawn)

    def weights(self, distance: float) -> tuple[float, float]:
        """Return (text, image) weights for mean |E(I) - E(P)|.

        Args:
            distance: of unit features, in [0, 2].
        """
        if self.value is None and self.balance.uses_threshold:
            self._gather(distance)
            return 1.0, 0.0
        return self.balance.weights(distance, self.value or 0.0)

    def _gather(self, distance: float) -> None:
        self._gathered.append(distance)
        if len(self._gathered) < self.auto_steps:
            return
        values = torch.tensor(self._gathered, dtype=torch.float64)
        self.value = float(values.quantile(self.config.auto_quantile))
        logger.info(
            "threshold: auto -> %.4f, the %.0f %% quantile of |E(I) - E(P)| over %d steps "
            "(range %.4f to %.4f)",
            self.value,
            100 * self.config.auto_quantile,
            len(self._gathered),
            float(values.min()),
            float(values.max()),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"value": self.value, "gathered": list(self._gathered)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.value = state["value"]
        self._gathered = list(state["gathered"])
