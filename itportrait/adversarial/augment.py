"""Adaptive augmentation: random changes of all pictures, so that few are not learned by heart.

Source: "Training Generative Adversarial Networks with Limited Data" (Karras et al., NeurIPS 2020).
Of its changes those of place (zoom, turn, shift) and of color (brightness, contrast, hue,
saturation) are taken, with its spreads. Mirroring and quarter turns are left out: the discriminator
is told the camera, and a mirrored picture is one of another camera.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from itportrait.adversarial.config import AdversarialConfig
from itportrait.adversarial.shown import Shown
from itportrait.learning.distortions import mixed_colors, placement, seen_through

_ZOOM, _SHIFT = 0.2, 0.125
"""Spreads of the logarithm (to base 2) of the size, and of the shift as a share of the side."""
_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.5, 1.0
"""Spreads of what is added, and of the logarithms of two factors."""


@dataclass(frozen=True)
class Change:
    """One random change a picture.

    Args:
        place: `[N, 2, 3]` affine maps from the changed picture to the original.
        mix: `[N, 3, 3]` of the color channels.
        shade: `[N, 3, 1, 1]`, added afterwards.
    """

    place: Tensor
    mix: Tensor
    shade: Tensor

    @classmethod
    def draw(cls, count: int, probability: float, rng: Generator) -> "Change":
        """Draw changes for `count` pictures, each of whose parts comes with a probability."""

        def some(values: Tensor) -> Tensor:
            chosen = torch.rand(count, generator=rng) < probability
            return values * chosen.view(-1, *[1] * (values.ndim - 1))

        def normal(spread: float, *shape: int) -> Tensor:
            return some(torch.randn(count, *shape, generator=rng) * spread)

        def angle() -> Tensor:
            return some((torch.rand(count, generator=rng) * 2 - 1) * math.pi)

        place = placement(angle(), 2 ** normal(_ZOOM), 2 * normal(_SHIFT, 2))
        shade = normal(_BRIGHTNESS)[:, None, None, None].expand(-1, 3, 1, 1)
        mix = 2 ** normal(_CONTRAST)[:, None, None] * tints(angle(), 2 ** normal(_SATURATION))
        return cls(place, mix, shade)

    def apply(self, shown: Shown) -> Shown:
        """Change pictures and their raw versions alike. Differentiable."""
        image, raw = (seen_through(each, self.place) for each in (shown.image, shown.image_raw))
        return self.recolored(replace(shown, image=image, image_raw=raw))

    def recolored(self, shown: Shown) -> Shown:
        """Change colors alone. Differentiable."""
        image, raw = (
            mixed_colors(each, self.mix, self.shade) for each in (shown.image, shown.image_raw)
        )
        return replace(shown, image=image, image_raw=raw)


def tints(turn_rad: Tensor, saturation: Tensor) -> Tensor:
    """Return color matrices `[N, 3, 3]` that turn hues and scale saturation about the gray axis."""
    gray = torch.full((3, 3), 1 / 3)
    one = torch.eye(3) - gray  # a color without its gray
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turned = turn_rad.cos()[:, None, None] * one + turn_rad.sin()[:, None, None] * across
    return gray + saturation[:, None, None] * turned


class Augmentation:
    """Changes whose probability follows how sure the discriminator is of the real pictures.

    Scores of real pictures that are all positive tell of a discriminator that knows them by heart.
    The probability then rises, and it falls where too few of them are positive.

    Args:
        config: target, start and pace.
    """

    def __init__(self, config: AdversarialConfig) -> None:
        self.config, self.probability = config, config.augment_start
        self.signs, self.pictures = 0.0, 0
        """Sum of the mean signs, and pictures, since the last correction."""

    def change(self, shown: Shown, rng: Generator) -> Shown:
        """Return the pictures with random changes; the same ones where the probability is 0."""
        if not self.probability:
            return shown
        return Change.draw(len(shown.cameras), self.probability, rng).apply(shown)

    def observe(self, index: int, sign: float, count: int) -> None:
        """Take note of a step, and correct the probability where its time has come.

        Args:
            index: number of the step, from 0.
            sign: mean sign of the scores of its real pictures, those of all workers.
            count: number of these pictures.
        """
        config = self.config
        if not config.augment_pictures:
            return
        self.signs, self.pictures = self.signs + sign * count, self.pictures + count
        if (index + 1) % config.augment_every == 0:
            up = self.signs / self.pictures > config.overfit_target
            step = self.pictures / config.augment_pictures
            self.probability = min(max(self.probability + (step if up else -step), 0.0), 1.0)
            self.signs, self.pictures = 0.0, 0

    def state_dict(self) -> dict[str, float]:
        """Return what a resumed run needs."""
        return {"probability": self.probability, "signs": self.signs, "pictures": self.pictures}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Continue from `state_dict`."""
        self.probability, self.signs = state["probability"], state["signs"]
        self.pictures = int(state["pictures"])


def enlarged(image_raw: Tensor, side: int) -> Tensor:
    """Return raw pictures `[N, 3, R, R]` at the size of the final ones, bilinear and filtered."""
    if image_raw.shape[-1] == side:
        return image_raw
    return F.interpolate(
        image_raw, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
