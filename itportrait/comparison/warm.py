"""What scoring tasks keep in their process: models, style, unstylized renders, true stylizations.

None of it changes from cell to cell, apart from the style. The module is importable, and not
`__main__`, so that the caches outlive a task.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from itportrait.align.config import AlignConfig
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.portraits import Portrait, PortraitSet, read_people, read_portraits
from itportrait.comparison.style_store import StoredStyle, StyleStore
from itportrait.picture_sets.names import drawn_domain, is_drawn

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from itportrait.comparison.measures import Judge
    from itportrait.evaluate import PortraitViews
    from itportrait.portraits import Person
    from itportrait.styles import PreparedStyle


@dataclass(frozen=True)
class Target:
    """What results of a domain are scored by, whatever guided the method.

    Args:
        prompt: of the domain, or None.
        source_prompt: words for what is left behind.
        references: where its style pictures came from.
        pictures: contents of these pictures.
        truth: of the domain, or None.
    """

    prompt: str | None
    source_prompt: str
    references: tuple[str, ...] = ()
    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    truth: str | None = None

    @property
    def drawn(self) -> str | None:
        """Return the name of the drawn domain that is its truth, or None."""
        truth = self.truth or ""
        return drawn_domain(truth) if is_drawn(truth) else None


@lru_cache(maxsize=8)
def warm_judge(bundle: str, device: str, target: Target, align: str, measures: str) -> "Judge":
    from itportrait.bundle.warm import warm_bundle
    from itportrait.comparison.measures import Judge
    from itportrait.metrics import StyleTarget

    references = read_references(bundle, device, target, align)
    style = StyleTarget(target.prompt, target.source_prompt, references)
    return Judge(warm_bundle(bundle, device), MeasuresConfig.model_validate_json(measures), style)


def read_references(bundle: str, device: str, target: Target, align: str) -> "Tensor | None":
    """Return the style pictures of a domain aligned as portraits are, `[R, 3, S, S]`, or None."""
    if not target.pictures:
        return None
    import torch

    from itportrait.bundle.warm import warm_bundle
    from itportrait.image import resize, to_tensor
    from itportrait.training.preparation import reference_images

    models, settings = warm_bundle(bundle, device), AlignConfig.model_validate_json(align)
    found = reference_images(target.references, target.pictures, models, settings)
    size = models.generator.image_resolution
    return torch.cat([resize(to_tensor(each.pixels)[None], size) for each in found])


@lru_cache(maxsize=2)
def warm_style(
    output: str, style: StoredStyle, strength: float, bundle: str, device: str
) -> "PreparedStyle":
    from itportrait.bundle.warm import warm_bundle
    from itportrait.styles import read_style

    models = warm_bundle(bundle, device)
    found = read_style(StyleStore(output).read(style), source=f"style {style.name}")
    found.check_base(models.model_id)
    return found.with_models(models).prepare(models.generator, strength)


@lru_cache(maxsize=4)
def warm_base(
    portraits: PortraitSet, shard: int, measures: str, bundle: str, device: str
) -> "tuple[PortraitViews, ...]":
    """Return the portraits of a shard by the generator that was not adapted, in batches."""
    from itportrait.bundle.warm import warm_bundle
    from itportrait.comparison.measures import Judge
    from itportrait.metrics import StyleTarget

    settings, people = MeasuresConfig.model_validate_json(measures), []
    judge = Judge(warm_bundle(bundle, device), settings, StyleTarget())
    found, size = read_portraits(portraits, shard), settings.batch_size
    for start in range(0, len(found), size):
        people.append(judge.base(found[start : start + size]))
    return tuple(people)


@lru_cache(maxsize=16)
def warm_truth(portraits: PortraitSet, shard: int, domain: str, size: int) -> "Tensor":
    """Return the true stylizations of a shard's people, seen as in their photos."""
    import torch

    from itportrait.image import to_tensor
    from itportrait.portraits import render_portrait

    assert portraits.people is not None
    pictures: list[Tensor] = []
    for portrait in read_portraits(portraits, shard):
        person, camera = _person(portraits.people, portrait)
        pictures.append(to_tensor(render_portrait(person, camera, size, domain=domain).image))
    return torch.stack(pictures)


def true_views(
    people: str, portrait: Portrait, domain: str, size: int, side_deg: float
) -> "list[np.ndarray]":
    """Return a drawn person's true stylization: as in the photo, from both sides, and between."""
    from math import radians

    from itportrait.geometry.camera import look_at_camera
    from itportrait.portraits import ORBIT, build_face, render_portrait

    person, own = _person(people, portrait)
    face = build_face(person, domain)
    around = [look_at_camera(radians(yaw), 0.0, ORBIT) for yaw in (-side_deg, 0.0, side_deg)]
    return [render_portrait(face, camera, size).image for camera in (own, *around)]


def _person(folder: str, portrait: Portrait) -> "tuple[Person, Tensor]":
    """Return the drawn person of a photo, and the true camera of its crop."""
    import torch

    from itportrait.portraits import HELD_OUT_SEED, sample_people

    known = read_people(folder)
    number, camera = known[portrait.file]
    return sample_people(number + 1, HELD_OUT_SEED)[number], torch.tensor(camera)
