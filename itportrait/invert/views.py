"""Views of portraits that were made from them: each step of a tuning looks at one, drawn anew."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Generator
from itportrait.invert.loop import RowRandom
from itportrait.invert.objective import PictureLoss
from itportrait.invert.problem import Target
from itportrait.invert.settings import LossWeights
from itportrait.learning.seeds import key_rng

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


class DrawnViews:
    """Compares renders of each portrait with one of its views, which is drawn for every step.

    To look at all views in every step would cost as many renders; in turn they say the same.

    Args:
        targets: views of N portraits. A view's `weight` counts, so one of weight 0 is not looked at
            for that portrait.
        keys: N record ids; with `seed` they seed the draws.
        weights: of the terms of the loss.
        bundle: gives the perceptual and the identity network.
        seed: of the stage.

    Raises:
        InvalidArgumentError: there is no target.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        keys: Sequence[str],
        *,
        weights: LossWeights,
        bundle: "Bundle",
        seed: int,
    ) -> None:
        if not targets:
            raise InvalidArgumentError("targets", expected="at least one view", actual="none")
        self.weights, self.bundle = weights, bundle
        self.images = torch.stack([target.image for target in targets], 1)
        self.cameras = torch.stack([target.camera for target in targets], 1)
        self.masks = torch.stack([target.shown for target in targets], 1)
        self.factors = torch.stack([_weight(target) for target in targets], 1)
        self.random = RowRandom([key_rng(seed, f"{key}:drawn views") for key in keys])

    def keep(self, rows: Tensor) -> Self:
        """Keep the portraits of index tensor `rows`."""
        self.images, self.cameras = self.images[rows], self.cameras[rows]
        self.masks, self.factors = self.masks[rows], self.factors[rows]
        self.random.keep(rows)
        return self

    def draw(self) -> Target:
        """Return one view of each portrait."""
        count = self.images.shape[1]
        drawn = (self.random.uniform(1)[:, 0] + 1) / 2 * count
        chosen = drawn.long().clamp_max(count - 1).to(self.images.device)
        rows = torch.arange(len(self.images), device=self.images.device)
        return Target(
            image=self.images[rows, chosen],
            camera=self.cameras[rows, chosen],
            mask=self.masks[rows, chosen],
            weight=self.factors[rows, chosen],
        )

    def loss(self, generator: Generator, planes: Tensor, ws: Tensor) -> Tensor:
        """Return the loss `[N]` of renders against views that are drawn here."""
        target = self.draw()
        rendering = generator.render(planes, ws, target.camera)
        return PictureLoss(self.weights, self.bundle, target)(rendering)


def _weight(target: Target) -> Tensor:
    return target.image.new_ones(len(target.image)) if target.weight is None else target.weight
