"""Perceptual distance, at the size at which the method compares pictures."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError
from itportrait.image import resize
from itportrait.losses.models import Perceptual

_KEPT = 8
"""Pictures of which the features are kept at most: those of the pairs of a domain."""


class PerceptualLoss(nn.Module):
    """Distance of deep features (LPIPS-like) after area resizing both pictures to one size.

    A target without a gradient keeps its features for the next calls with the same tensor, since a
    domain's pictures are the same in every step.

    Args:
        model: a `PerceptualModel`, built once and shared.
        size: side in pixels that larger pictures are shrunk to (smaller ones stay as they are).

    Source: ITportrait resizes render and style image to 256 by area before LPIPS (VGG).
    """

    def __init__(self, model: Perceptual, size: int = 256) -> None:
        super().__init__()
        self.size = size
        self.model: Perceptual = model
        self._kept: OrderedDict[tuple, tuple[Tensor, list[Tensor]]] = OrderedDict()

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return `[N]` >= 0 for `[N, 3, H, W]` pictures in [-1, 1]; sizes may differ.

        Raises:
            InvalidArgumentError: other shapes.
        """
        for name, picture in (("image", image), ("target", target)):
            if picture.ndim != 4 or picture.shape[1] != 3:
                raise InvalidArgumentError(
                    name, expected="shape [N, 3, H, W]", actual=list(picture.shape)
                )
        size = min(self.size, image.shape[-1], target.shape[-1])
        seen = self.model.features(resize(image, size))
        return self.model.compare(seen, self._features(target, size))

    def _features(self, target: Tensor, size: int) -> list[Tensor]:
        """Return the features of a target, which are kept where they cannot change."""
        if target.requires_grad or target.is_inference():
            return self.model.features(resize(target, size))
        # A batch of one picture, laid out as many, has its features once.
        single = target[:1] if target.stride(0) == 0 else target
        key = (target.data_ptr(), single.shape, single.stride(), target._version, size)
        if key not in self._kept:
            with torch.no_grad():
                # The target is held too, so that no other tensor comes to lie at its place.
                self._kept[key] = target, self.model.features(resize(single, size))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        maps = self._kept[key][1]
        return [each.expand(len(target), -1, -1, -1) for each in maps]
