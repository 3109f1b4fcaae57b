"""Measure each model of the embedded family by itself, on held-out people.

The truth is known: latents, cameras, depth, domains and attributes are those that the pictures were
drawn with.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from itportrait.bundle import Bundle, load_bundle
from itportrait.card.faces import measure_depth, measure_detector
from itportrait.mini.attributes import ATTRIBUTES
from itportrait.perception.clip import ImageTextModel
from itportrait.pretrain.networks.clip import measure_clip
from itportrait.pretrain.networks.encoder import measure_encoder
from itportrait.pretrain.networks.generator import measure_generator
from itportrait.pretrain.networks.identity import area_under_curve, measure_identity
from itportrait.pretrain.networks.labels import attribute_labels
from itportrait.pretrain.training.data import PortraitData


def evaluate(folder: str | Path, photos: PortraitData, styled: PortraitData) -> dict[str, Any]:
    """Measure every model of a bundle that is there.

    Args:
        folder: the bundle.
        photos: held-out photos with geometry, several views of each person.
        styled: held-out people in all domains, `photo` among them.

    Returns:
        Figures by name; see `BARS` of `report.py`.
    """
    bundle = load_bundle(folder)
    figures: dict[str, Any] = {"load_s": _loading_seconds(folder)}
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    figures["megabytes"] = sum(path.stat().st_size for path in files) / 1e6
    figures |= _named("generator", measure_generator(bundle.generator, photos, count=len(photos)))
    figures |= measure_depth(bundle, photos) | measure_detector(bundle, photos)
    figures |= latency(bundle)
    perception = bundle.spec.perception
    if perception.clips:
        figures |= _named("clip", measure_clip(bundle.clips, styled, count=len(styled)))
        figures |= attribute_accuracy(bundle, photos)
    if perception.identity_path:
        measured = measure_identity(bundle.identity, photos, count=len(photos))
        figures["identity_auc"] = measured["auc"]
        measured = measure_identity(bundle.identity, styled, count=len(styled))
        figures["identity_auc_stylized"] = measured["auc_stylized"]
    if bundle.encoder is not None:
        measured = measure_encoder(bundle.encoder, bundle.generator, photos, count=len(photos))
        figures |= _named("encoder", measured)
    if perception.perceptual_path:
        figures |= perceptual_order(bundle, photos)
    return figures


@torch.no_grad()
def attribute_accuracy(bundle: Bundle, photos: PortraitData) -> dict[str, float]:
    """Return the balanced accuracy of the nearer prompt for each of `ATTRIBUTES`.

    Only clear cases count, such as an old or a young person but no middle-aged one.
    """
    parts = [photos.floats(part) for part in torch.arange(len(photos)).split(64)]
    scores = [attribute_scores(bundle.clips, part) for part in parts]
    labels, figures = attribute_labels(photos), {}
    for name in ATTRIBUTES:
        score = torch.cat([part[name] for part in scores])
        yes, no = score[labels[name] == 1], score[labels[name] == 0]
        if len(yes) and len(no):
            right = (yes > 0).float().mean() + (no < 0).float().mean()
            figures[f"clip_{name}"] = float(right / 2)
            figures[f"clip_{name}_auc"] = area_under_curve(yes, no)
    return figures


@torch.no_grad()
def attribute_scores(clips: Sequence[ImageTextModel], images: Tensor) -> dict[str, Tensor]:
    """Return scores `[N]` of each of `ATTRIBUTES`, positive where pictures look as if having it.

    Args:
        clips: image-text models, whose similarities are averaged.
        images: `[N, 3, S, S]` in [-1, 1].
    """
    vectors = [clip.encode_image(images) for clip in clips]

    def nearness(subject: str) -> Tensor:
        words = [clip.encode_prompt(f"a photo of {subject}", ("{}",)) for clip in clips]
        return torch.stack([v @ w for v, w in zip(vectors, words, strict=True)]).mean(0)

    return {
        name: nearness(attribute.has[0]) - nearness(attribute.lacks[0])
        for name, attribute in ATTRIBUTES.items()
    }


@torch.no_grad()
def perceptual_order(bundle: Bundle, photos: PortraitData) -> dict[str, float]:
    """Return mean distances: to a copy with noise, to another view, to another person."""
    groups = photos.groups()
    first = photos.floats(groups[:, 0])
    rng = torch.Generator().manual_seed(0)
    noisy = (first + 0.05 * torch.randn(first.shape, generator=rng)).clamp(-1, 1)
    model = bundle.perceptual
    return {
        "perceptual_noise": float(model.distance(first, noisy).mean()),
        "perceptual_view": float(model.distance(first, photos.floats(groups[:, 1])).mean()),
        "perceptual_person": float(model.distance(first, first.roll(1, 0)).mean()),
    }


@torch.no_grad()
def latency(bundle: Bundle, *, repeats: int = 8) -> dict[str, float]:
    """Return the median milliseconds of one view, and of one in a batch of eight."""
    generator = bundle.generator
    rng = torch.Generator().manual_seed(0)
    camera = bundle.camera_prior.sample(8, rng)
    ws = generator.mapping(torch.randn(8, generator.z_dim, generator=rng), camera[:1])

    def median(count: int) -> float:
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            generator.synthesize(ws[:count], camera[:count])
            times.append(time.perf_counter() - start)
        return 1e3 * float(Tensor(times[1:]).median()) / count

    return {"view_ms": median(1), "view_of_8_ms": median(8)}


def _named(model: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{model}_{name}": value for name, value in figures.items()}


def _loading_seconds(folder: str | Path) -> float:
    start = time.perf_counter()
    bundle = load_bundle(folder)
    perception = bundle.spec.perception
    names = ["generator", *(["clips"] if perception.clips else [])]
    names += [n for n in ("perceptual", "identity", "encoder") if getattr(perception, f"{n}_path")]
    for name in names:
        getattr(bundle, name)
    return time.perf_counter() - start
