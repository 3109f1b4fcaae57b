"""Measure the embedded family on held-out people: `report.json`, and the table of its card.

Everything has a truth here: the pictures' latents, cameras, depth, domains and attributes are those
they were drawn with.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from itportrait.bundle import Bundle, load_bundle
from itportrait.mini.training.attributes import ATTRIBUTES, attribute_labels
from itportrait.mini.training.clip import measure_clip
from itportrait.mini.training.data import PortraitData
from itportrait.mini.training.encoder import measure_encoder
from itportrait.mini.training.generator import measure_generator
from itportrait.mini.training.identity import measure_identity

BARS = {
    "generator_psnr": 25.5,
    "generator_head_psnr": 22.5,
    "encoder_psnr": 23.5,
    "clip_domain_top1": 0.95,
    "clip_direction": 0.3,
    "identity_auc": 0.98,
    "identity_auc_stylized": 0.9,
    "view_ms": 40.0,
    "view_of_8_ms": 20.0,
    "load_s": 1.0,
    "megabytes": 25.0,
}
"""What the family is meant to reach; times and sizes from below."""

CARD = """# Card of the embedded model family

What it is: a tri-plane generator of portraits (128 x 128), an image-text model, a perceptual and an
identity network, and an encoder, small enough to ship. They let the whole program run on a laptop,
and be measured against the truth. They are no models of real people.

**Data.** {portraits} portraits drawn by `itportrait.mini.portraits` (seed {seeds}): people,
cameras, depth, domains and captions all come from that code. No photo, no foreign model.
Figures below are of {held_out} people of another seed, none of whom was trained on.

**Training.** `python workflows/pretrain_mini.py` remakes everything: draw, train, export, measure.
This version: {budget}.

**Figures.** The bars are those of full quality; this version is held to what it reaches.

{table}

**Limits.** Drawn people look drawn. Hair strands, thin frames of glasses and teeth are soft. An
attribute whose accuracy above is near 0.5 is not known to the image-text model. The
image-text model knows the words of its captions only (`clip/vocabulary.json`);
`ImageTextModel.unknown_words` names the others. The encoder and the networks expect aligned crops.

**Licence.** {licence}
"""


def evaluate(folder: str | Path, photos: PortraitData, styled: PortraitData) -> dict[str, Any]:
    """Measure every model of a bundle that is there.

    Args:
        folder: the bundle.
        photos: held-out photos with geometry, several views of each person.
        styled: held-out people in all domains, `photo` among them.

    Returns:
        Figures by name; see `BARS`.
    """
    bundle = load_bundle(folder)
    figures: dict[str, Any] = {"load_s": _loading_seconds(folder)}
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    figures["megabytes"] = sum(path.stat().st_size for path in files) / 1e6
    measured = measure_generator(bundle.generator, photos, count=len(photos))
    figures |= {f"generator_{name}": value for name, value in measured.items()}
    figures |= latency(bundle)
    perception = bundle.spec.perception
    if perception.clips:
        measured = measure_clip(bundle.clips[0], styled, count=len(styled))
        figures |= {f"clip_{name}": value for name, value in measured.items()}
        figures |= attribute_accuracy(bundle, photos)
    if perception.identity_path:
        measured = measure_identity(bundle.identity, photos, count=len(photos))
        figures["identity_auc"] = measured["auc"]
        measured = measure_identity(bundle.identity, styled, count=len(styled))
        figures["identity_auc_stylized"] = measured["auc_stylized"]
    if bundle.encoder is not None:
        measured = measure_encoder(bundle.encoder, bundle.generator, photos, count=len(photos))
        figures |= {f"encoder_{name}": value for name, value in measured.items()}
    if perception.perceptual_path:
        figures |= perceptual_order(bundle, photos)
    return figures


def attribute_accuracy(bundle: Bundle, photos: PortraitData) -> dict[str, float]:
    """Return, for every one of `ATTRIBUTES`, the balanced accuracy of the nearer prompt.

    Only clear cases count: an old or a young person but no middle-aged one, blond or black hair.
    """
    clip, labels, figures = bundle.clips[0], attribute_labels(photos), {}
    with torch.no_grad():
        parts = torch.arange(len(photos)).split(64)
        images = torch.cat([clip.encode_image(photos.floats(part)) for part in parts])
        for name, attribute in ATTRIBUTES.items():
            has, lacks = (
                clip.encode_prompt(f"a photo of {subjects[0]}", ("{}",))
                for subjects in (attribute.has, attribute.lacks)
            )
            score = images @ has - images @ lacks
            yes, no = score[labels[name] == 1], score[labels[name] == 0]
            if len(yes) and len(no):
                right = (yes > 0).float().mean() + (no < 0).float().mean()
                figures[f"clip_{name}"] = float(right / 2)
    return figures


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


def _loading_seconds(folder: str | Path) -> float:
    start = time.perf_counter()
    bundle = load_bundle(folder)
    for name in ("generator", "clips", "perceptual", "identity", "encoder"):
        if name == "generator" or _named(bundle, name):
            getattr(bundle, name)
    return time.perf_counter() - start


def _named(bundle: Bundle, name: str) -> bool:
    perception = bundle.spec.perception
    return bool(perception.clips if name == "clips" else getattr(perception, f"{name}_path"))


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table, with the bars where there are any."""
    lines = ["| figure | value | bar |", "| --- | --- | --- |"]
    for name, value in figures.items():
        bar = f"{BARS[name]:g}" if name in BARS else ""
        lines.append(f"| {name} | {value:.4g} | {bar} |")
    return "\n".join(lines)


def write_report(path: Path, figures: dict[str, Any], extra: dict[str, Any]) -> None:
    """Write `report.json`: figures, bars, and what else is to be known of the run."""
    content = {"figures": figures, "bars": BARS} | extra
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_card(path: Path, figures: dict[str, Any], **values: Any) -> None:
    """Write the card beside the weights: data, training, figures, limits, licence.

    Args:
        path: of the card.
        figures: of `evaluate`.
        values: `portraits`, `seeds`, `held_out`, `budget`, `licence`.
    """
    path.write_text(CARD.format(table=table(figures), **values))
