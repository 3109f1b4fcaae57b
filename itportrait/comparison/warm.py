"""What scoring tasks keep in their process: models, style, unstylized renders, true stylizations.

None of it changes from cell to cell, apart from the style. The module is importable, and not
`__main__`, so that the caches outlive a task.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from itportrait.align.config import AlignConfig
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.portraits import PortraitSet, read_people, read_portraits
from itportrait.comparison.style_store import StoredStyle, StyleStore
from itportrait.jobs.bank.spec import DRAWN

if TYPE_CHECKING:
    from torch import Tensor

    from itportrait.comparison.measures import Judge, Views
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
        return truth.removeprefix(DRAWN) if truth.startswith(DRAWN) else None


@lru_cache(maxsize=8)
def warm_judge(bundle: str, device: str, target: Target, align: str, measures: str) -> "Judge":
    import torch

    from itportrait.bundle.warm import warm_bundle
    from itportrait.comparison.measures import Judge
    from itportrait.image import resize, to_tensor
    from itportrait.metrics import StyleTarget
    from itportrait.training.preparation import reference_images

    models, pictures = warm_bundle(bundle, device), None
    if target.pictures:
        size = models.generator.image_resolution
        settings = AlignConfig.model_validate_json(align)
        found = reference_images(target.references, target.pictures, models, settings)
        pictures = torch.cat([resize(to_tensor(each.pixels)[None], size) for each in found])
    style = StyleTarget(target.prompt, target.source_prompt, pictures)
    return Judge(models, MeasuresConfig.model_validate_json(measures), style)


@lru_cache(maxsize=2)
def warm_style(output: str, style: StoredStyle, bundle: str, device: str) -> "PreparedStyle":
    from itportrait.bundle.warm import warm_bundle
    from itportrait.styles import read_style

    models = warm_bundle(bundle, device)
    found = read_style(StyleStore(output).read(style), source=f"style {style.name}")
    found.check_base(models.model_id)
    return found.prepare(models.generator)


@lru_cache(maxsize=4)
def warm_base(
    portraits: PortraitSet, shard: int, measures: str, bundle: str, device: str
) -> "tuple[Views, ...]":
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
    from itportrait.portraits import HELD_OUT_SEED, render_portrait, sample_people

    assert portraits.people is not None
    known = read_people(portraits.people)
    people = sample_people(len(known), HELD_OUT_SEED)
    pictures = []
    for portrait in read_portraits(portraits, shard):
        number, camera = known[portrait.name]
        drawn = render_portrait(people[number], torch.tensor(camera), size, domain=domain)
        pictures.append(to_tensor(drawn.image))
    return torch.stack(pictures)
