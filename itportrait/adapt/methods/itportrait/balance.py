"""How text and image share the guidance of a step of stage 2, by name (`threshold.kind`).

Source: ITportrait (arXiv 2304.04364), self-adaptive control; `even` is what its program runs,
`soft` is ours.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

from pydantic import Field, field_validator

from itportrait.config import Settings
from itportrait.registry import Registry


class ThresholdConfig(Settings):
    """How image and text are balanced in stage 2: the threshold function."""

    kind: str = "hard"
    """The threshold function by name. `hard` (published paper): text guides while the
    image-adapted copy is near the photo, else the image. `even` (published program): half and half.
    `soft`: a smooth weight in the same quantity."""
    value: float | Literal["auto"] = 0.65
    """Threshold of the mean of |E(I) - E(P)|; 0.65 belongs to ViT-B/32. `auto` takes it from the
    first steps."""
    text_probability: float = Field(default=0.35, ge=0, le=1)
    """Chance of a text step whatever the distance, for `hard`."""
    auto_steps: int = Field(default=20, ge=1)
    """Number of stage-2 steps whose distances decide an `auto` threshold, a quarter of them at
    most; until then, text guides."""
    auto_quantile: float = Field(default=0.5, ge=0, le=1)
    """Quantile of those distances that becomes the threshold."""
    softness: float = Field(default=0.1, gt=0)
    """Width of the `soft` transition, as a share of the threshold."""

    @field_validator("kind")
    @classmethod
    def _kind_is_known(cls, value: str) -> str:
        return BALANCES.validated(value)


class Balance(ABC):
    """A rule that gives the weights of text and image.

    Args:
        config: settings of the threshold.
    """

    uses_threshold = True
    """Whether `weights` looks at the threshold; where it does, an `auto` one is gathered first."""

    def __init__(self, config: ThresholdConfig) -> None:
        self.config = config

    def is_text_step(self, drawn: float) -> bool:
        """Tell from a number drawn in [0, 1) whether text alone guides, whatever the distance."""
        return False

    @abstractmethod
    def weights(self, distance: float, threshold: float) -> tuple[float, float]:
        """Return the weights of text and image.

        Args:
            distance: mean |E(I) - E(P)| of unit features, in [0, 2].
            threshold: the configured value, or the one that was gathered.
        """


BALANCES: Registry[type[Balance]] = Registry("threshold", group="itportrait.thresholds")


@BALANCES.register("hard")
class HardBalance(Balance):
    """Text while the image-adapted copy is near the photo, else the image."""

    def is_text_step(self, drawn: float) -> bool:
        return drawn < self.config.text_probability

    def weights(self, distance: float, threshold: float) -> tuple[float, float]:
        return (1.0, 0.0) if distance < threshold else (0.0, 1.0)


@BALANCES.register("even")
class EvenBalance(Balance):
    """Half and half."""

    uses_threshold = False

    def weights(self, distance: float, threshold: float) -> tuple[float, float]:
        return 0.5, 0.5


@BALANCES.register("soft")
class SoftBalance(Balance):
    """A smooth weight in the same quantity, half and half at the threshold."""

    def weights(self, distance: float, threshold: float) -> tuple[float, float]:
        width = max(self.config.softness * threshold, 1e-6)
        image = 1 / (1 + math.exp(-(distance - threshold) / width))
        return 1 - image, image
