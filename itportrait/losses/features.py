"""Distance of the feature maps of a network, layer by layer."""

import torch
from torch import Tensor, nn

from itportrait.image import resize
from itportrait.losses.models import Layered
from itportrait.losses.pixel import l1_loss


class FeatureLoss(nn.Module):
    """Mean absolute difference of feature maps, averaged over the layers.

    Maps are compared as they are. A perceptual distance scales them to unit length first, and so
    sees less of color and contrast.

    Args:
        model: a network that gives its layers' maps, built once and shared.
        size: side in pixels that larger pictures are shrunk to (smaller ones stay as they are).

    Source: JoJoGAN (Chong and Forsyth, ECCV 2022), eq. 4, with the layers of a discriminator.
    """

    def __init__(self, model: Layered, size: int = 256) -> None:
        super().__init__()
        self.size = size
        self.model: Layered = model

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the maps of `[N, 3, H, W]` in [-1, 1]; keep them for a fixed target."""
        return self.model.features(resize(image, min(self.size, image.shape[-1])))

    def forward(self, image: Tensor, target: list[Tensor]) -> Tensor:
        """Return `[N]` >= 0.

        Args:
            image: `[N, 3, H, W]` in [-1, 1], with gradient.
            target: `features` of as many pictures of the same side, or of one.

        Raises:
            InvalidArgumentError: the pictures have another side.
        """
        pairs = zip(self.features(image), target, strict=True)
        return torch.stack([l1_loss(ours, wanted) for ours, wanted in pairs]).mean(0)
