"""Directional CLIP loss: the change of the picture should point where the words point.

Source: StyleGAN-NADA (Gal et al. 2021), eq. 3, in the use of ITportrait (arXiv 2304.04364).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.losses.models import ImageText

_SMALL = 1e-8
SHORTEST_CHANGE = 0.05
"""Changes of unit features below this length are not stretched to length one. At the first step the
trained and the frozen render are equal; a plain cosine then has a gradient of about 1e8, which
Adam's second moment remembers for thousands of steps, and nothing is learned in them."""


def unit(vector: Tensor) -> Tensor:
    """Scale vectors to length one along the last axis; a zero vector stays zero.

    Args:
        vector: `[..., D]`.

    Returns:
        `[..., D]`, each of length 1 (or 0).
    """
    return F.normalize(vector, dim=-1, eps=_SMALL)


def cosine_loss(change: Tensor, direction: Tensor) -> Tensor:
    """Measure how far changes are from a direction: 1 - cos.

    Args:
        change: `[N, D]`, differences of unit features. Below `SHORTEST_CHANGE` the cosine fades in
            with their length: no change costs 1, and the gradient is bounded.
        direction: `[D]` or `[N, D]`, of any length.

    Returns:
        `[N]` in [0, 2].

    Raises:
        InvalidArgumentError: the feature sizes differ.
    """
    if change.shape[-1] != direction.shape[-1]:
        raise InvalidArgumentError(
            "direction",
            expected=f"features of size {change.shape[-1]}",
            actual=f"{list(direction.shape)}",
            remedy="take both from the same image-text model",
        )
    along = F.normalize(change, dim=-1, eps=SHORTEST_CHANGE)
    return 1 - (along * unit(direction)).sum(-1)


@torch.no_grad()
def text_change(model: ImageText, target: str, source: str) -> Tensor:
    """Return the way from the source words to the target words, `[D]`, with its length.

    Args:
        model: an `ImageTextModel`; its templates are averaged on both sides.
        target: what the pictures should become, such as "a bronze statue".
        source: what they are, such as "Photo".

    Raises:
        InvalidArgumentError: both prompts have the same features, so there is no direction.
    """
    change = model.encode_prompt(target) - model.encode_prompt(source)
    if float(change.norm()) < 1e-6:
        raise InvalidArgumentError(
            "prompt",
            expected=f"words that {model.name} tells apart from {source!r}",
            actual=repr(target),
            remedy="choose another prompt or source_prompt",
        )
    return change


def reach_loss(change: Tensor, wanted: Tensor) -> Tensor:
    """Measure how far changes fall short of a wanted one along its direction.

    The cosine asks for a direction alone, and a change that is hardly visible can have it. This
    term asks for the length as well.

    Args:
        change: `[N, D]`, differences of unit features.
        wanted: `[D]` or `[N, D]`, with its length.

    Returns:
        `[N]`: 1 for no change, 0 from the wanted length on, above 1 for the opposite direction.
    """
    length = wanted.norm(dim=-1).clamp_min(_SMALL)
    return (1 - (change * unit(wanted)).sum(-1) / length).clamp_min(0)


def weights_of_models(given: Sequence[float] | None, usual: Sequence[float]) -> list[float]:
    """Return the weight of each of a bundle's image-text models.

    Args:
        given: by the settings, one a model; None takes the usual ones.
        usual: one a model.

    Raises:
        InvalidArgumentError: not as many as models, or of no positive sum.
    """
    weights = list(usual if given is None else given)
    if len(weights) != len(usual) or not sum(weights) > 0:
        raise InvalidArgumentError(
            "clip_weights",
            expected=f"{len(usual)} numbers of positive sum, one for each image-text model of the "
            "bundle",
            actual=weights,
            remedy="leave it out for the usual weights",
        )
    return weights


class DirectionalLoss(nn.Module):
    """1 - cos between the change of the picture and a wanted direction, summed over models.

    Args:
        models: one or more `ImageTextModel`.
        weights: one a model (default 1 each).
    """

    def __init__(self, models: Sequence[ImageText], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not models or (weights is not None and len(weights) != len(models)):
            raise InvalidArgumentError(
                "weights",
                expected=f"one for each of {len(models)} models (at least 1)",
                actual=weights,
            )
        self.models: list[ImageText] = list(
            models
        )  # not registered: frozen, shared, never saved with the loss
        self.weights = list(weights) if weights is not None else [1.0] * len(models)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return unit features `[N, D]` of `[N, 3, H, W]` in [-1, 1], one tensor a model."""
        return [model.encode_image(image) for model in self.models]

    def forward(
        self, features: list[Tensor], frozen: list[Tensor], directions: list[Tensor]
    ) -> Tensor:
        """Return the weighted sum of 1 - cos(features - frozen, direction), `[N]`.

        Args:
            features: unit features of the trained renders, `[N, D]` a model.
            frozen: those of the frozen renders of the same codes, `[N, D]` a model.
            directions: `[D]` or `[N, D]` a model.
        """
        return self._sum(cosine_loss, features, frozen, directions)

    def reach(self, features: list[Tensor], frozen: list[Tensor], wanted: list[Tensor]) -> Tensor:
        """Return the weighted sum of `reach_loss`, `[N]`; `wanted` has lengths."""
        return self._sum(reach_loss, features, frozen, wanted)

    def _sum(
        self,
        term: Callable[[Tensor, Tensor], Tensor],
        features: list[Tensor],
        frozen: list[Tensor],
        directions: list[Tensor],
    ) -> Tensor:
        terms = [
            weight * term(new - old, direction)
            for weight, new, old, direction in zip(
                self.weights, features, frozen, directions, strict=True
            )
        ]
        return torch.stack(terms).sum(0)
