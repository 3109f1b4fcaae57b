"""Measures of results: pure functions of images, depths and perception models.

Below the stages, because adapt, stylize and evaluate all need the same numbers, and stages never
import each other. Images are `[N, 3, H, W]` in [-1, 1]; every function returns one value per row
unless it says otherwise, and none of them keeps gradients back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.losses import depth_distance, depth_variance, image_similarity, unit

__all__ = [
    "StyleTarget",
    "clip_direction",
    "clip_image",
    "depth_distance",
    "depth_variance",
    "depth_variance_ratio",
    "diversity",
    "identity",
    "psnr",
    "unit",
    "view_consistency",
]


class ImageText(Protocol):
    """The interface of image-text models that metrics use."""

    def encode_image(self, image: Tensor) -> Tensor: ...

    def encode_prompt(self, text: str) -> Tensor: ...


class Perceptual(Protocol):
    """The interface of perceptual models that metrics use."""

    def distance(self, a: Tensor, b: Tensor) -> Tensor: ...


class Identity(Protocol):
    """The interface of identity models that metrics use."""

    def embed(self, image: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class StyleTarget:
    """What the pictures of a domain should look like: a prompt, reference images, or both.

    Args:
        prompt: text of the target, or None.
        source_prompt: text of the class that is left behind.
        references: `[R, 3, H, W]` aligned style images in [-1, 1], or None.
    """

    prompt: str | None = None
    source_prompt: str = "Photo"
    references: Tensor | None = None


def psnr(image: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the peak signal-to-noise ratio in dB on the [0, 1] scale, `[N]`; images are clipped.

    Args:
        image: `[N, 3, H, W]`.
        target: of the same shape.
        mask: `[N, 1, H, W]` weight of each pixel in the mean; None weighs all alike.

    Raises:
        InvalidArgumentError: the shapes differ.
    """
    if image.shape != target.shape:
        raise InvalidArgumentError(
            "image",
            expected=f"of the target's shape {list(target.shape)}",
            actual=list(image.shape),
        )
    squares = (image.clamp(-1, 1) - target.clamp(-1, 1)).div(2).square()
    error = weighted_mean(squares, mask)
    return -10 * torch.log10(error.clamp_min(1e-10))


def weighted_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean `[N]` of `[N, C, H, W]` over what a mask `[N, 1, H, W]` shows; None: over
    all."""
    if mask is None:
        return values.flatten(1).mean(1)
    return (values * mask).flatten(1).mean(1) / mask.flatten(1).mean(1).clamp_min(1e-6)


def clip_direction(
    stylized: Tensor,
    source: Tensor,
    models: Sequence[ImageText],
    *,
    prompt: str,
    source_prompt: str,
) -> Tensor:
    """Return the cosine of the picture's change with the words' change, `[N]`, mean over models.

    cos(E(stylized) - E(source), E_t(prompt) - E_t(source_prompt)).

    Args:
        stylized: renders of the adapted generator.
        source: renders of the base generator, same codes and cameras.
        models: image-text models with unit features.

    Source: StyleGAN-NADA, section 4.1.
    """
    scores = [
        F.cosine_similarity(moved, words.expand_as(moved), dim=-1)
        for moved, words in _changes(stylized, source, models, prompt, source_prompt)
    ]
    return torch.stack(scores).mean(0)


def clip_reach(
    stylized: Tensor,
    source: Tensor,
    models: Sequence[ImageText],
    *,
    prompt: str,
    source_prompt: str,
) -> Tensor:
    """Return how much of the words' change the picture's change covers, `[N]`, mean over models.

    The change's length along the words, over theirs: 0 unchanged, 1 as far apart as the words. The
    cosine of `clip_direction` is high already for a change that is hardly visible.

    Args:
        stylized, source, models, prompt, source_prompt: as in `clip_direction`.
    """
    scores = [
        moved @ words / words.square().sum().clamp_min(1e-12)
        for moved, words in _changes(stylized, source, models, prompt, source_prompt)
    ]
    return torch.stack(scores).mean(0)


def _changes(
    stylized: Tensor,
    source: Tensor,
    models: Sequence[ImageText],
    prompt: str,
    source_prompt: str,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield of each model the pictures' change `[N, D]` and the words' change `[D]`."""
    for model in models:
        moved = model.encode_image(stylized) - model.encode_image(source)
        yield moved, model.encode_prompt(prompt) - model.encode_prompt(source_prompt)


def clip_image(image: Tensor, references: Tensor, models: Sequence[ImageText]) -> Tensor:
    """Return the mean cosine of image features to those of the references, `[N]`, mean over models.

    Args:
        references: `[R, 3, H, W]`, R >= 1.
    """
    scores = [
        image_similarity(model.encode_image(image), model.encode_image(references))
        for model in models
    ]
    return torch.stack(scores).mean(0)


def identity(image: Tensor, source: Tensor, model: Identity) -> Tensor:
    """Return the cosine of identity features of `image` and `source`, `[N]`."""
    return (unit(model.embed(image)) * unit(model.embed(source))).sum(-1)


def view_consistency(views: Tensor, model: Identity) -> Tensor:
    """Return the mean identity cosine between the first view and the others, `[N]`.

    Args:
        views: `[N, V, 3, H, W]`, V >= 2; by convention frontal first, then yaw -30 and +30 deg.

    Raises:
        InvalidArgumentError: fewer than two views.
    """
    if views.ndim != 5 or views.shape[1] < 2:
        raise InvalidArgumentError(
            "views", expected="of shape [N, V >= 2, 3, H, W]", actual=list(views.shape)
        )
    count, number = views.shape[:2]
    features = unit(model.embed(views.flatten(0, 1))).unflatten(0, (count, number))
    return (features[:, 1:] * features[:, :1]).sum(-1).mean(1)


def depth_variance_ratio(depth: Tensor, base: Tensor, alpha: Tensor, base_alpha: Tensor) -> Tensor:
    """Return var(depth) / var(base) over what each of them shows, `[N]`.

    Well below 1 means that the geometry flattens; the maps are `[N, 1, R, R]` in world units, the
    alphas their accumulated weights in [0, 1].
    """
    return depth_variance(depth, alpha) / depth_variance(base, base_alpha).clamp_min(1e-8)


def diversity(images: Tensor, model: Perceptual, *, max_pairs: int = 64) -> float:
    """Return the mean perceptual distance over pairs of different rows (identities).

    Args:
        images: `[N, 3, H, W]`, one render per identity, same camera.
        max_pairs: at most this many pairs, evenly spread over all of them.

    Raises:
        InvalidArgumentError: fewer than two images.
    """
    if len(images) < 2:
        raise InvalidArgumentError("images", expected="at least two identities", actual=len(images))
    first, second = torch.triu_indices(len(images), len(images), offset=1)
    chosen = torch.linspace(0, len(first) - 1, min(max_pairs, len(first))).round().long()
    first, second = first[chosen], second[chosen]
    distances = [
        model.distance(images[a], images[b])
        for a, b in zip(first.split(16), second.split(16), strict=True)
    ]
    return float(torch.cat(distances).mean())
