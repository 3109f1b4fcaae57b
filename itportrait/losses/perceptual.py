"""Perceptual distance, at the size at which the method compares pictures."""

from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError
from itportrait.image import resize
from itportrait.losses.models import Perceptual


class PerceptualLoss(nn.Module):
    """Distance of deep features (LPIPS-like) after area resizing both pictures to one size.

    Args:
        model: a `PerceptualModel` (`distance(a, b) -> [N]`), built once and shared.
        size: side in pixels that larger pictures are shrunk to (smaller ones stay as they are).

    Source: ITportrait resizes render and style image to 256 by area before LPIPS (VGG).
    """

    def __init__(self, model: Perceptual, size: int = 256) -> None:
        super().__init__()
        self.size = size
        self.model: Perceptual = model

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
        return self.model.distance(resize(image, size), resize(target, size))
