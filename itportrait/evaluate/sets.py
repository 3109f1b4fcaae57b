"""Scores of sets of portraits in a style: how they differ, and how far they are from the truth."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from itportrait import metrics
from itportrait.bundle import Bundle
from itportrait.errors import InvalidArgumentError
from itportrait.evaluate.distances import kid, measure_distances
from itportrait.evaluate.features import PERCEPTUAL, feature_network
from itportrait.image import to_tensor

FRONT = 2
"""Place of the frontal view among a portrait's pictures: its own view, left, front, right."""


class SetJudge:
    """What measures sets of pictures.

    Args:
        bundle: base generator and perception models.
        features: name of the network whose features KID and FID compare.
        subsets, subset_size, seed: of KID, see `kid`.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        features: str = PERCEPTUAL,
        subsets: int = 20,
        subset_size: int = 100,
        seed: int = 0,
    ) -> None:
        self.bundle, self.network = bundle, feature_network(bundle, features)
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed

    def features(self, pictures: Tensor) -> Tensor:
        """Return the features `[..., D]` of pictures `[..., 3, S, S]` in [-1, 1]."""
        flat = pictures.to(self.bundle.generator.device).flatten(0, -4)
        return self.network.features(flat).reshape(*pictures.shape[:-3], -1)

    @torch.no_grad()
    def measure(
        self,
        views: Sequence[Sequence[np.ndarray]],
        plain: Tensor | None = None,
        truth: Tensor | None = None,
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Return the metrics of portraits in a style, and why some are missing, by name.

        Args:
            views: pictures of each portrait.
            plain: `[N, V, D]` features of the same portraits' views by the generator that was not
                adapted.
            truth: `[K, D]` features of true pictures of the domain, of other people. Without both
                there are no distances.

        Raises:
            InvalidArgumentError: views and plain are of different numbers of portraits.
        """
        pictures = torch.stack([torch.stack([to_tensor(view) for view in each]) for each in views])
        pictures = pictures.to(self.bundle.generator.device)
        values: dict[str, float] = {}
        if len(pictures) > 1:
            values["diversity"] = metrics.diversity(pictures[:, FRONT], self.bundle.perceptual)
        if plain is None or truth is None:
            return values, {}
        if len(plain) != len(views):
            raise InvalidArgumentError(
                "plain", expected=f"{len(views)} portraits, as views", actual=len(plain)
            )
        distances, reasons = self._distances(self.features(pictures), plain, truth)
        return values | distances, reasons

    def _distances(
        self, styled: Tensor, plain: Tensor, truth: Tensor
    ) -> tuple[dict[str, float], dict[str, str]]:
        given = {"subsets": self.subsets, "subset_size": self.subset_size, "seed": self.seed}
        found = measure_distances(truth, styled.flatten(0, 1), **given)
        return found.against(kid(truth, plain.flatten(0, 1), **given).mean)
