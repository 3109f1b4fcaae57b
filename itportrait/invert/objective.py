"""The loss of an inversion, one value per portrait."""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.image import resize
from itportrait.invert.config import LossWeights
from itportrait.perception.perceptual import PerceptualModel, feature_distance


class Objective:
    """Compares renders with the targets and holds the code near where codes are plausible.

    Args:
        weights: of the terms; a term of weight 0 is not computed.
        bundle: gives the perceptual and the identity network.
        images: `[N, 3, S, S]` targets in [-1, 1].
    """

    def __init__(self, weights: LossWeights, bundle, images: Tensor) -> None:
        self.weights, self.bundle, self.images = weights, bundle, images
        self._raw: Tensor | None = None
        self._features = self._target_features()

    def keep(self, rows: Tensor) -> None:
        """Keep the targets of index tensor `rows`."""
        self.images = self.images[rows]
        self._raw = None if self._raw is None else self._raw[rows]
        if self._features is not None:
            self._features = [feature[rows] for feature in self._features]

    def picture(self, rendering) -> Tensor:
        """Return the loss of renders against the targets, `[N]`."""
        weights, image = self.weights, rendering.image
        error = image - self.images
        loss = image.new_zeros(len(image))
        if weights.l2:
            loss = loss + weights.l2 * error.square().flatten(1).mean(1)
        if weights.l1:
            loss = loss + weights.l1 * error.abs().flatten(1).mean(1)
        if weights.raw:
            if self._raw is None:
                self._raw = resize(self.images, rendering.image_raw.shape[-1])
            loss = loss + weights.raw * (rendering.image_raw - self._raw).abs().flatten(1).mean(1)
        if weights.perceptual:
            loss = loss + weights.perceptual * self._distance(image)
        if weights.identity:
            similarity = self.bundle.identity.similarity(image, self.images)
            loss = loss + weights.identity * (1 - similarity)
        return loss

    def _distance(self, image: Tensor) -> Tensor:
        if self._features is None:
            return self.bundle.perceptual.distance(image, self.images)
        return feature_distance(self.bundle.perceptual.features(image), self._features)

    @torch.no_grad()
    def _target_features(self) -> list[Tensor] | None:
        """Return the targets' features where the network can keep them (LPIPS' package cannot)."""
        model = self.bundle.perceptual
        if not self.weights.perceptual or not isinstance(model, PerceptualModel):
            return None
        return model.features(self.images)

    def plausibility(self, u: Tensor, correction: Tensor | None) -> Tensor:
        """Return the penalty on codes and camera corrections, `[N]`.

        Args:
            u: `[N, num_ws, w_dim]` whitened codes.
            correction: `[N, 6]` camera correction in units of its expected error, or None.
        """
        weights = self.weights
        center = u.mean(1, keepdim=True)
        loss = weights.prior * center.square().flatten(1).mean(1)
        loss = loss + weights.spread * (u - center).square().flatten(1).mean(1)
        if correction is not None:
            loss = loss + weights.camera * correction.square().mean(1)
        return loss


def finite_rows(*tensors: Tensor) -> Tensor:
    """Return the mask `[N]` of rows in which every value of every tensor `[N, ...]` is finite."""
    masks = [torch.isfinite(tensor).flatten(1).all(1) for tensor in tensors]
    return torch.stack(masks).all(0)


def squared_error(image: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error `[N]` on the [0, 1] scale."""
    return F.mse_loss(image / 2, target / 2, reduction="none").flatten(1).mean(1)
