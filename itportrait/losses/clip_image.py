"""How alike pictures look to an image-text model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError
from itportrait.losses.models import ImageText


def image_similarity(features: Tensor, references: Tensor) -> Tensor:
    """Return the mean cosine of each picture to the references.

    Args:
        features: unit `[N, D]`.
        references: unit `[R, D]`, R >= 1.

    Returns:
        `[N]` in [-1, 1].

    Raises:
        InvalidArgumentError: no reference.
    """
    if len(references) == 0:
        raise InvalidArgumentError(
            "references",
            expected="at least one picture",
            actual="none",
            remedy="pass [R, D] features",
        )
    return (features @ references.T).mean(-1)


class ClipImageLoss(nn.Module):
    """1 - mean cosine of image features to reference pictures, averaged over models.

    Args:
        models: `ImageTextModel`s.
        references: `[R, 3, H, W]` in [-1, 1]; encoded once.
    """

    def __init__(self, models: Sequence[ImageText], references: Tensor) -> None:
        super().__init__()
        self.models = list(models)
        with torch.no_grad():
            self.references = [model.encode_image(references) for model in self.models]

    def forward(self, image: Tensor) -> Tensor:
        """Return `[N]` in [0, 2] for `[N, 3, H, W]` in [-1, 1]."""
        terms = [
            1 - image_similarity(model.encode_image(image), reference)
            for model, reference in zip(self.models, self.references, strict=True)
        ]
        return torch.stack(terms).mean(0)
