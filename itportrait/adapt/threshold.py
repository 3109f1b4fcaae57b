"""The threshold function: how much text and how much image guides a step of stage 2.

Source: ITportrait (arXiv 2304.04364), self-adaptive control; `even` is what its program runs,
`soft` and the `auto` value are ours.
"""

import logging
import math
from typing import Any

import torch
from torch import Generator

from itportrait.adapt.config import ThresholdConfig

logger = logging.getLogger(__name__)


class Threshold:
    """Choose the weights (text, image) of a step, from how far the image copy has moved.

    With `value: auto` the first `auto_steps` steps are text steps, in which distances are gathered;
    their quantile becomes the threshold. Part of the checkpoint, so a resumed run decides alike.
    """

    def __init__(self, config: ThresholdConfig) -> None:
        self.config = config
        self.value: float | None = None if config.value == "auto" else float(config.value)
        self._gathered: list[float] = []

    def skips_image(self, rng: Generator) -> bool:
        """Draw the chance of a text step that needs no distance (`hard`): its image render is
        saved. One number is drawn whatever the kind, so that all kinds see the same codes."""
        drawn = float(torch.rand((), generator=rng))
        if self.config.kind != "hard" or self.value is None:
            return False
        return drawn < self.config.text_probability

    def weights(self, distance: float) -> tuple[float, float]:
        """Return (text, image) weights for mean |E(I) - E(P)|.

        Args:
            distance: of unit features, in [0, 2].
        """
        if self.config.kind == "even":
            return 0.5, 0.5
        if self.value is None:
            self._gather(distance)
            return 1.0, 0.0
        if self.config.kind == "hard":
            return (1.0, 0.0) if distance < self.value else (0.0, 1.0)
        width = max(self.config.softness * self.value, 1e-6)
        image = 1 / (1 + math.exp(-(distance - self.value) / width))
        return 1 - image, image

    def _gather(self, distance: float) -> None:
        self._gathered.append(distance)
        if len(self._gathered) < self.config.auto_steps:
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
