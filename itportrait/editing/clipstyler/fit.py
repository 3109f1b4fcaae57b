"""How networks are fitted to portraits: a batch of them at once, each as if it were alone."""

import io
from collections.abc import Sequence

import torch
from safetensors.torch import save
from torch import Tensor

from itportrait.bundle import Bundle
from itportrait.editing.clipstyler.config import ClipstylerFit
from itportrait.editing.clipstyler.losses import (
    Patches,
    content_loss,
    patch_loss,
    seen_patches,
    total_variation,
)
from itportrait.editing.clipstyler.network import Networks, Shape
from itportrait.errors import CheckpointError
from itportrait.learning.seeds import key_rng
from itportrait.losses import cosine_loss
from itportrait.weights.limits import Limits
from itportrait.weights.safetensors import open_safetensors
from itportrait.weights.windows import Window, fence

FORMAT = "itportrait-clipstyler-1"
_DEEP = 2
"""Number of the perceptual network's maps, counted from the last, that tell the content."""


def shape_of(settings: ClipstylerFit) -> Shape:
    """Return the sizes of the networks that settings ask for."""
    return Shape(settings.channels, settings.from_picture)


def fit_networks(
    images: Tensor,
    keys: Sequence[str],
    direction: Tensor,
    settings: ClipstylerFit,
    bundle: Bundle,
) -> list[bytes]:
    """Fit a network to each portrait.

    Args:
        images: `[N, 3, H, W]` in [-1, 1], the unstylized renders.
        keys: of the portraits; what is drawn for one depends on its key and the seed alone.
        direction: `[D]` of the words, of the bundle's first image-text model.
        settings: of the fit.
        bundle: whose models guide it.

    Returns:
        The networks' weights as `networks_of` reads them.
    """
    fitted: list[bytes] = []
    for start in range(0, len(images), settings.batch):
        part = slice(start, start + settings.batch)
        with torch.enable_grad():
            weights = _fit(images[part].detach(), keys[part], direction, settings, bundle)
        fitted += [save({"weights": row}, {"format": FORMAT}) for row in weights.half().cpu()]
    return fitted


def _fit(
    images: Tensor,
    keys: Sequence[str],
    direction: Tensor,
    settings: ClipstylerFit,
    bundle: Bundle,
) -> Tensor:
    clip, perceptual = bundle.clips[0], bundle.perceptual
    draws = [key_rng(settings.seed, key) for key in keys]
    shape = shape_of(settings)
    weights = torch.stack([shape.initial(rng) for rng in draws]).to(images).requires_grad_(True)
    adam: torch.optim.Optimizer = torch.optim.Adam([weights], lr=settings.learning_rate)
    direction = direction.to(images)
    with torch.no_grad():
        plain = clip.encode_image(images)
        wanted = perceptual.features(images)[-_DEEP:]
    for step in range(settings.steps):
        adam.param_groups[0]["lr"] = settings.learning_rate * 0.5 ** (step // settings.halve_every)
        styled = Networks(shape, weights)(images)
        patches = [
            Patches.draw(settings.patches, settings.patch_share, settings.distortion, rng)
            for rng in draws
        ]
        seen = clip.encode_image(seen_patches(styled, patches))
        features = seen.reshape(len(images), settings.patches, -1)
        loss = (
            settings.patch * patch_loss(features - plain[:, None], direction, settings.threshold)
            + settings.direction * cosine_loss(clip.encode_image(styled) - plain, direction)
            + settings.content * content_loss(perceptual.features(styled)[-_DEEP:], wanted)
            + settings.tv * total_variation(styled)
        )
        adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.sum(), inputs=[weights])
        adam.step()  # pyright: ignore[reportUnknownMemberType]
    return weights.detach()


def networks_of(fitted: Sequence[bytes], settings: ClipstylerFit, like: Tensor) -> Networks:
    """Return the networks that `fit_networks` fitted.

    Args:
        fitted: one file a portrait.
        settings: of the fit.
        like: a tensor on the device that they are to run on.

    Raises:
        CheckpointError: truncated, or of other settings.
    """
    rows: list[Tensor] = []
    for data in fitted:
        with fence("what was fitted to a portrait"):
            file = open_safetensors(Window(io.BytesIO(data), 0, len(data)), Limits(len(data)))
            if file.metadata.get("format") != FORMAT or "weights" not in file.tensors:
                raise CheckpointError(f"not a network of clipstyler: its format is not {FORMAT}")
            rows.append(file.tensors["weights"].read().float())
            Networks(shape_of(settings), rows[-1][None])
    return Networks(shape_of(settings), torch.stack(rows).to(like.device))
