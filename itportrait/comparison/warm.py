"""What scoring tasks keep in their process: models, style, unstylized renders, true stylizations.

None of it changes from cell to cell, apart from the style. Cells go through all portraits and all
domains, so that a cache holds them all, or as much as memory allows (`kept`). The module is
importable, and not `__main__`, so that the caches outlive a task.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from itportrait.align.config import AlignConfig
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.given import Target
from itportrait.comparison.portraits import Portrait, PortraitSet, read_people, read_portraits
from itportrait.comparison.style_store import StoredStyle, StyleStore
from itportrait.io.kept import kept

if TYPE_CHECKING:
    from torch import Tensor

    from itportrait.comparison.measures import Judge
    from itportrait.evaluate import PortraitViews, SetJudge
    from itportrait.portraits import Person
    from itportrait.styles import PreparedStyle


_DOMAINS = 256
"""Largest number of domains whose targets are kept: style pictures, and features of the truth."""


@lru_cache(_DOMAINS)
def warm_judge(bundle: str, device: str, target: Target, align: str, measures: str) -> "Judge":
    """Return what measures single portraits in a domain."""
    from itportrait.bundle.warm import warm_bundle
    from itportrait.comparison.measures import Judge
    from itportrait.metrics import StyleTarget

    references = read_references(bundle, device, target, align)
    style = StyleTarget(target.prompt, target.source_prompt, references)
    return Judge(warm_bundle(bundle, device), MeasuresConfig.model_validate_json(measures), style)


@lru_cache(maxsize=2)
def warm_set_judge(bundle: str, device: str, measures: str) -> "SetJudge":
    """Return what measures sets of portraits in any domain."""
    from itportrait.bundle.warm import warm_bundle
    from itportrait.evaluate import SetJudge

    settings = MeasuresConfig.model_validate_json(measures)
    return SetJudge(
        warm_bundle(bundle, device),
        features=settings.features,
        subsets=settings.kid_subsets,
        subset_size=settings.kid_subset_size,
        seed=settings.seed,
    )


@lru_cache(_DOMAINS)
def warm_truth_features(bundle: str, device: str, measures: str, target: Target) -> "Tensor":
    """Return the features `[K, D]` of true pictures of a domain, of other people."""
    from itportrait.evaluate import EvaluationProbeConfig
    from itportrait.jobs.bank.scores import truth_images

    judge = warm_set_judge(bundle, device, measures)
    count = MeasuresConfig.model_validate_json(measures).truth_count
    probe = EvaluationProbeConfig(kid_count=count)
    images = truth_images(target.truth, probe, judge.bundle.generator.image_resolution)
    assert images is not None
    return judge.features(images)


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
    """Return a style at a strength; no other cell asks for it, so that few are kept."""
    from itportrait.bundle.warm import warm_bundle
    from itportrait.styles import read_style

    models = warm_bundle(bundle, device)
    found = read_style(StyleStore(output).read(style), source=f"style {style.name}")
    found.check_base(models.model_id)
    return found.with_models(models).prepare(models.generator, strength)


@kept
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


@kept
def warm_base_features(
    portraits: PortraitSet, shard: int, measures: str, bundle: str, device: str
) -> "Tensor":
    """Return the features `[N, 4, D]` of the pictures of `warm_base`."""
    import torch

    from itportrait.comparison.measures import pictures_of

    judge = warm_set_judge(bundle, device, measures)
    base = warm_base(portraits, shard, measures, bundle, device)
    return torch.cat([judge.features(pictures_of(batch)) for batch in base])


@kept
def warm_truth(portraits: PortraitSet, shard: int, domain: str, size: int) -> "Tensor":
    """Return the true stylizations of a shard's people, seen as in their photos."""
    import torch

    from itportrait.evaluate import true_stylizations

    assert portraits.people is not None
    pairs = [drawn_person(portraits.people, each) for each in read_portraits(portraits, shard)]
    cameras = torch.stack([camera for _, camera in pairs])
    return true_stylizations(domain, [person for person, _ in pairs], cameras, size)


def drawn_person(folder: str, portrait: Portrait) -> "tuple[Person, Tensor]":
    """Return the drawn person of a photo, and the true camera of its crop."""
    import torch

    from itportrait.evaluate import held_out

    number, camera = read_people(folder)[portrait.file]
    return held_out(number + 1)[number], torch.tensor(camera)
