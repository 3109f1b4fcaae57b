"""Measure sets of pictures: what all portraits of a cell say together."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from itportrait import metrics
from itportrait.bundle import Bundle
from itportrait.comparison.config import MeasuresConfig
from itportrait.errors import InvalidArgumentError
from itportrait.evaluate import feature_network, kid, measure_distances
from itportrait.image import to_tensor

FRONT = 2
"""Place of the frontal view among a portrait's pictures: its own view, left, front, right."""


class SetJudge:
    """What measures sets of pictures.

    Args:
        bundle: base generator and perception models.
        config: of the measures.
    """

    def __init__(self, bundle: Bundle, config: MeasuresConfig) -> None:
        self.bundle, self.config = bundle, config
        self.network = feature_network(bundle, config.features)

    def features(self, pictures: Tensor) -> Tensor:
        """Return the features `[..., D]` of pictures `[..., 3, S, S]` in [-1, 1]."""
        flat = pictures.to(self.bundle.generator.device).flatten(0, -4)
        return self.network.features(flat).unflatten(0, pictures.shape[:-3])

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
        config = self.config
        size, subsets = config.kid_subset_size, config.kid_subsets
        given = {"subsets": subsets, "subset_size": size, "seed": config.seed}
        found = measure_distances(truth, styled.flatten(0, 1), **given)
        return found.against(kid(truth, plain.flatten(0, 1), **given).mean)
