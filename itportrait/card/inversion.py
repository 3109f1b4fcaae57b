"""What inversion keeps of a drawn portrait: its pixels, the views it does not show, its traits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from itportrait.bundle import Bundle
from itportrait.card.models import attribute_scores
from itportrait.generator import Generator
from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_tensor
from itportrait.metrics import psnr
from itportrait.mini.attributes import ATTRIBUTES
from itportrait.portraits import ORBIT, Person, build_face, render_portrait
from itportrait.portraits.prior import decode_traits
from itportrait.records import AlignedRecord, InvertedRecord
from itportrait.styles import WeightDelta
from itportrait.styles.generators import tuned

YAWS_DEG = (0.0, -30.0, 30.0)
"""Yaw of the view that is inverted, then of the views that its code is rendered from."""
KEPT = ("glasses", "beard", "bun", "bald", "long_hair")
"""Names of the `ATTRIBUTES` that an inversion should keep."""

Invert = Callable[[list[AlignedRecord]], list[InvertedRecord]]
"""The invert stage, which the workflow passes in: this package does not import stages."""


@dataclass(frozen=True)
class Views:
    """Drawn people, all from the same cameras."""

    images: np.ndarray
    """`[people, len(YAWS_DEG), S, S, 3]` uint8."""
    cameras: Tensor
    """`[len(YAWS_DEG), 25]`."""

    def floats(self, view: int) -> Tensor:
        """Return the pictures `[people, 3, S, S]` of a view, in [-1, 1]."""
        return torch.stack([to_tensor(image) for image in self.images[:, view]])


def choose_people(people: Sequence[Person], *, count: int, each: int) -> list[Person]:
    """Return the first people, and more of those who clearly have one of `KEPT`.

    Args:
        people: people to choose from.
        count: number of the first people, who are chosen in any case.
        each: number of people that should have each attribute, where there are as many.
    """
    chosen = {person.index: person for person in people[:count]}
    traits = {person.index: decode_traits(person) for person in people}
    for name in KEPT:
        attribute = ATTRIBUTES[name]
        having = [p for p in people if attribute.amount(traits[p.index]) >= attribute.high]
        more = [person for person in having if person.index not in chosen]
        missing = max(each - (len(having) - len(more)), 0)
        chosen |= {person.index: person for person in more[:missing]}
    return list(chosen.values())


def draw_views(people: Sequence[Person], size: int) -> Views:
    """Draw people from `YAWS_DEG`."""
    cameras = look_at_camera(torch.deg2rad(torch.tensor(YAWS_DEG)), 0.0, ORBIT)
    images = []
    for person in people:
        face = build_face(person)
        images.append(np.stack([render_portrait(face, c, size).image for c in cameras]))
    return Views(np.stack(images), cameras)


def measure_inversion(
    bundle: Bundle, invert: Invert, people: Sequence[Person], *, name: str = "inversion"
) -> dict[str, float]:
    """Invert drawn people from their first view and compare with the truth.

    Args:
        bundle: bundle with the generator and the image-text models.
        invert: the invert stage for that bundle.
        people: held-out people, e.g. those of `choose_people`.
        name: with which the names of the figures begin.

    Returns:
        `inversion_psnr`, `inversion_psnr_novel`: means over people and views, dB; `inversion_s`:
        mean seconds of a portrait; `inversion_keeps_NAME`: of the people who have an attribute, and
        in whose portrait the image-text model sees it, the share in whose inversion it sees it too
        (absent where there is nobody); `inversion_people`: how many; `inversion_failed`: share
        without a code.
    """
    views = draw_views(people, bundle.generator.image_resolution)
    rows = invert([
        AlignedRecord(
            record_id=str(person.index), uri="", pixels=image, camera=views.cameras[0].numpy()
        )
        for person, image in zip(people, views.images[:, 0], strict=True)
    ])  # fmt: skip
    good = {number: row for number, row in enumerate(rows) if row.w_plus is not None}
    figures: dict[str, float] = {"people": len(rows), "failed": 1 - len(good) / len(rows)}
    if good:
        figures["s"] = float(np.mean([row.seconds for row in good.values()]))
        figures |= _compare(bundle, people, views, good)
    return {f"{name}_{key}": value for key, value in figures.items()}


@torch.no_grad()
def _compare(
    bundle: Bundle, people: Sequence[Person], views: Views, rows: dict[int, InvertedRecord]
) -> dict[str, float]:
    """Compare the renders of rows, by the number of the person, with what was drawn."""
    good = list(rows)
    found = list(rows.values())
    parts = [
        shown(bundle.generator, found[start : start + 8], views.cameras)
        for start in range(0, len(found), 8)
    ]
    renders = [torch.cat(images) for images in zip(*parts, strict=True)]
    quality = [psnr(image, views.floats(view)[good]) for view, image in enumerate(renders)]
    figures = {
        "psnr": float(quality[0].mean()),
        "psnr_novel": float(torch.cat(quality[1:]).mean()),
    }
    before = attribute_scores(bundle.clips, views.floats(0)[good])
    after = attribute_scores(bundle.clips, renders[0])
    traits = [decode_traits(people[place]) for place in good]
    for name in KEPT:
        attribute = ATTRIBUTES[name]
        amount = torch.tensor([attribute.amount(t) for t in traits])
        seen = (amount >= attribute.high) & (before[name] > 0)
        if seen.any():
            figures[f"keeps_{name}"] = float((after[name][seen] > 0).float().mean())
    return figures


def shown(generator: Generator, rows: Sequence[InvertedRecord], cameras: Tensor) -> list[Tensor]:
    """Return the pictures `[N, 3, S, S]` of rows from each camera."""
    ws = torch.stack([torch.as_tensor(row.w_plus) for row in rows])
    ws = ws.view(-1, generator.num_ws, generator.w_dim)
    if any(row.weights for row in rows):
        deltas = [WeightDelta.from_bytes(row.weights) if row.weights else None for row in rows]
        generator = tuned(generator, deltas)
    return [
        generator.synthesize(ws, camera.expand(len(ws), -1)).final_image.clamp(-1, 1)
        for camera in cameras
    ]
