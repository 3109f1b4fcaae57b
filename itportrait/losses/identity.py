"""A loss that keeps the person: the distance of identity embeddings."""

import torch
from torch import Tensor, nn

from itportrait.losses.models import Identity


class IdentityLoss(nn.Module):
    """1 - cosine of identity embeddings.

    Args:
        model: an `IdentityModel` (`embed(image) -> unit [N, D]`).
    """

    def __init__(self, model: Identity) -> None:
        super().__init__()
        self.model: Identity = model

    @torch.no_grad()
    def embed(self, image: Tensor) -> Tensor:
        """Return the unit embedding `[N, D]` of target pictures, to be computed once and reused."""
        return self.model.embed(image)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return `[N]` in [0, 2].

        Args:
            image: `[N, 3, H, W]` in [-1, 1], with gradient.
            target: embeddings `[N, D]` or `[1, D]` from `embed`.
        """
        return 1 - (self.model.embed(image) * target).sum(-1)
