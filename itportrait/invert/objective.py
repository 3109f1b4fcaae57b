"""The loss of an inversion, one value per portrait."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.generator.generator import Rendering
from itportrait.geometry.camera import mirror_camera
from itportrait.image import resize
from itportrait.invert.camera import EXPECTED_ERROR, correct_camera
from itportrait.invert.mirror import in_light_of
from itportrait.invert.problem import Target
from itportrait.invert.settings import LossWeights
from itportrait.metrics import weighted_mean

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


class PictureLoss:
    """Compares renders with one view of each portrait.

    Args:
        weights: of the terms; a term of weight 0 is not computed.
        bundle: gives the perceptual and the identity network.
        target: the view.
    """

    def __init__(self, weights: LossWeights, bundle: "Bundle", target: Target) -> None:
        self.weights, self.bundle, self.target = weights, bundle, target
        self._raw: tuple[Tensor, Tensor | None] | None = None
        self._features = self._target_features()

    def keep(self, rows: Tensor) -> None:
        """Keep the portraits of index tensor `rows`."""
        self.target = self.target.keep(rows)
        if self._raw is not None:
            image, mask = self._raw
            self._raw = image[rows], None if mask is None else mask[rows]
        if self._features is not None:
            self._features = [feature[rows] for feature in self._features]

    def __call__(self, rendering: Rendering) -> Tensor:
        """Return the loss of renders against the view, `[N]`."""
        weights, target = self.weights, self.target
        if target.light_cells is not None:
            lit = _in_the_renders_light(target, target.light_cells, rendering)
            return PictureLoss(weights, self.bundle, lit)(rendering)
        image = where_seen(rendering.final_image, target.image, target.mask)
        error = image - target.image
        loss = image.new_zeros(len(image))
        if weights.l2:
            loss = loss + weights.l2 * error.square().flatten(1).mean(1)
        if weights.l1:
            loss = loss + weights.l1 * error.abs().flatten(1).mean(1)
        if weights.raw:
            loss = loss + weights.raw * self._raw_error(rendering.image_raw)
        if weights.perceptual:
            loss = loss + weights.perceptual * self._distance(image)
        if weights.identity:
            similarity = self.bundle.identity.similarity(image, target.image)
            loss = loss + weights.identity * (1 - similarity)
        return loss if target.weight is None else loss * target.weight

    def _raw_error(self, image_raw: Tensor) -> Tensor:
        if self._raw is None:
            size, mask = image_raw.shape[-1], self.target.mask
            self._raw = (
                resize(self.target.image, size),
                None if mask is None else resize(mask, size).clamp(0, 1),
            )
        image, mask = self._raw
        return (where_seen(image_raw, image, mask) - image).abs().flatten(1).mean(1)

    def _distance(self, image: Tensor) -> Tensor:
        if self._features is None:
            return self.bundle.perceptual.distance(image, self.target.image)
        return self.bundle.perceptual.compare(
            self.bundle.perceptual.features(image), self._features
        )

    @torch.no_grad()
    def _target_features(self) -> list[Tensor] | None:
        """Return the view's features, or None where it follows the light of each render."""
        if not self.weights.perceptual or self.target.light_cells is not None:
            return None
        return self.bundle.perceptual.features(self.target.image)


class Objective:
    """Compares renders with all targets and holds the code near where codes are plausible.

    Args:
        weights: of the terms; a term of weight 0 is not computed.
        bundle: gives the perceptual and the identity network, and the family's cameras.
        targets: views of the portraits.
    """

    def __init__(self, weights: LossWeights, bundle: "Bundle", targets: Sequence[Target]) -> None:
        self.weights, self.orbit = weights, bundle.orbit
        self.views = [PictureLoss(weights, bundle, target) for target in targets]

    @property
    def portraits(self) -> Target:
        """The view that is the portraits themselves."""
        return self.views[0].target

    def cameras(self, correction: Tensor | None) -> list[Tensor]:
        """Return the camera `[N, 25]` of every target; `correction [N, 6]` moves the portrait's."""
        cameras = [view.target.camera for view in self.views]
        if correction is not None:
            cameras[0] = correct_camera(cameras[0], correction, self.orbit)
        for number, view in enumerate(self.views):
            if view.target.light_cells is not None:
                cameras[number] = mirror_camera(cameras[0])
        return cameras

    def _surprise(self, correction: Tensor) -> Tensor:
        """Return corrections in standard deviations, where those of yaw and pitch are known."""
        if (std := self.portraits.camera_std) is None:
            return correction
        usual = correction.new_tensor(EXPECTED_ERROR[:2])
        return torch.cat([correction[:, :2] * (usual / std), correction[:, 2:]], dim=1)

    def keep(self, rows: Tensor) -> None:
        """Keep the portraits of index tensor `rows`."""
        for view in self.views:
            view.keep(rows)

    def pictures(self, renderings: Sequence[Rendering]) -> Tensor:
        """Return the loss of renders, one for each target, summed over the targets, `[N]`."""
        first, *others = [
            view(rendering) for view, rendering in zip(self.views, renderings, strict=True)
        ]
        for loss in others:
            first = first + loss
        return first

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
            loss = loss + weights.camera * self._surprise(correction).square().mean(1)
        return loss


@torch.no_grad()
def _in_the_renders_light(target: Target, cells: int, rendering: Rendering) -> Target:
    """Return mirror images in the light of renders, without what lies behind the head."""
    size = target.image.shape[-1]
    alpha = F.interpolate(rendering.image_alpha, (size, size), mode="bilinear")
    mask = alpha if target.mask is None else alpha * target.mask
    image = in_light_of(target.image, rendering.final_image, mask, cells)
    return replace(target, image=image, mask=mask, light_cells=None)


def where_seen(image: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """Return renders in which what the mask hides is the target's: it adds nothing to a loss."""
    return image if mask is None else target.lerp(image, mask.expand_as(image))


def finite_rows(*tensors: Tensor) -> Tensor:
    """Return the mask `[N]` of rows in which every value of every tensor `[N, ...]` is finite."""
    masks = [torch.isfinite(tensor).reshape(len(tensor), -1).all(1) for tensor in tensors]
    return torch.stack(masks).all(0)


def squared_error(image: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean squared error `[N]` on the [0, 1] scale, of what the mask shows."""
    return weighted_mean(F.mse_loss(image / 2, target / 2, reduction="none"), mask)
