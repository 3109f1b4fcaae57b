"""Scores of single portraits in a style, whatever the kind of the style."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from itportrait import metrics
from itportrait.bundle import Bundle
from itportrait.errors import InvalidArgumentError
from itportrait.evaluate.views import PortraitViews
from itportrait.generator import Rendering
from itportrait.image import resize
from itportrait.metrics import StyleTarget

NO_PROMPT = "the domain has no prompt"
NO_REFERENCES = "the domain has no reference pictures"
NO_TRUE_PORTRAITS = (
    "there are no true stylizations of these portraits; drawn people have them in domains whose "
    "truth is mini:NAME"
)


@dataclass(frozen=True)
class PortraitScores:
    """Scores of a batch of portraits.

    Args:
        values: name of the metric -> `[N]`, of those metrics that could be computed.
        reasons: name -> why it could not be computed, of the others.
    """

    values: Mapping[str, Tensor] = field(repr=False)
    reasons: Mapping[str, str]

    def means(self) -> dict[str, float]:
        """Return the means over the portraits."""
        return {name: float(values.mean()) for name, values in self.values.items()}


@torch.no_grad()
def score_portraits(
    bundle: Bundle,
    styled: PortraitViews,
    base: PortraitViews,
    target: StyleTarget,
    *,
    photos: Tensor | None = None,
    truth: Tensor | None = None,
) -> PortraitScores:
    """Score each portrait by itself.

    Args:
        bundle: the models that judge.
        styled: the portraits in the style.
        base: the same portraits as the base generator renders them (`render_views` with
            `PreparedGenerator(bundle.generator)`), which serve any number of styles.
        target: prompt and references of the domain.
        photos: `[N, 3, H, W]` in [-1, 1]: the pictures that the portraits were inverted from.
            Identity is then the cosine to them, and else to the base's renders.
        truth: `[N, 3, H, W]` in [-1, 1]: the portraits' true stylizations from their own cameras.

    Raises:
        InvalidArgumentError: the sets are of different numbers of portraits.
    """
    _check_counts(styled, base=base, photos=photos, truth=truth)
    image, plain = styled.own.final_image, base.own.final_image
    size = image.shape[-1]
    source = plain if photos is None else resize(photos.to(image), size)
    values = {
        "identity": metrics.identity(image, source, bundle.identity),
        "view_consistency": metrics.view_consistency(styled.around, bundle.identity),
        **_depth_scores(styled.own, base.own),
    }
    reasons: dict[str, str] = {}
    if target.prompt is None:
        reasons["clip_direction"] = NO_PROMPT
    else:
        words = {"prompt": target.prompt, "source_prompt": target.source_prompt}
        values["clip_direction"] = metrics.clip_direction(image, plain, bundle.clips, **words)
    if target.references is None:
        reasons |= dict.fromkeys(("clip_image", "clip_image_gain"), NO_REFERENCES)
    else:
        references = target.references.to(image)
        values["clip_image"] = metrics.clip_image(image, references, bundle.clips)
        before = metrics.clip_image(plain, references, bundle.clips)
        values["clip_image_gain"] = values["clip_image"] - before
    if truth is None:
        reasons |= dict.fromkeys(("truth_distance", "truth_distance_base"), NO_TRUE_PORTRAITS)
    else:
        true = resize(truth.to(image), size)
        values["truth_distance"] = bundle.perceptual.distance(image, true)
        values["truth_distance_base"] = bundle.perceptual.distance(plain, true)
    return PortraitScores({name: each.cpu() for name, each in values.items()}, reasons)


def _depth_scores(own: Rendering, plain: Rendering) -> dict[str, Tensor]:
    depths, alphas = (own.image_depth, plain.image_depth), (own.image_alpha, plain.image_alpha)
    return {
        "depth_distance": metrics.depth_distance(*depths, plain.image_alpha),
        "depth_variance": metrics.depth_variance_ratio(*depths, *alphas),
    }


def _check_counts(styled: PortraitViews, **others: PortraitViews | Tensor | None) -> None:
    for name, other in others.items():
        if other is not None and len(other) != len(styled):
            raise InvalidArgumentError(
                name, expected=f"{len(styled)} portraits, as styled", actual=len(other)
            )
