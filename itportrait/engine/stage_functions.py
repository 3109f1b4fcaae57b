"""The stages' computations with warm models: loaded once a process, kept for the tasks after."""

import time
from collections.abc import Sequence
from functools import lru_cache

from itportrait.bank.store import read_version
from itportrait.engine.recipes import ALIGN, INVERT, Recipe
from itportrait.records import AlignedRecord, InvertedRecord, Record, Source

_READ_PAUSES_S = (0.2, 1.0, 3.0)
"""Between tries to read one photo from storage that fails now and then."""

# In an importable module, and not in `__main__`, so that the caches outlive a Ray task.


@lru_cache(maxsize=8)
def build(recipe: Recipe):
    """Return the computation of a recipe's stage: inputs in, one list of rows an input out."""
    if recipe.stage == ALIGN:
        return _align(recipe)
    return _invert(recipe) if recipe.stage == INVERT else _stylize(recipe)


@lru_cache(maxsize=2)
def warm_bundle(uri: str, device: str):
    """Return the models of a bundle on a device."""
    from itportrait.bundle import load_bundle

    return load_bundle(uri).to(device)


def _align(recipe: Recipe):
    from itportrait.align import AlignConfig, Aligner

    bundle = warm_bundle(recipe.bundle, recipe.device)
    aligner = Aligner.of_bundle(AlignConfig.model_validate_json(recipe.config), bundle)

    def align(sources: Sequence[Source]) -> list[list[Record]]:
        return [align_one(source) for source in sources]

    def align_one(source: Source) -> list[Record]:
        for pause_s in _READ_PAUSES_S:
            try:
                return list(aligner.align(source, raise_storage_errors=True))
            except OSError:
                time.sleep(pause_s)
        return list(aligner.align(source))  # a row that says so

    return align


def _invert(recipe: Recipe):
    from itportrait.invert import InvertConfig, Inverter

    bundle = warm_bundle(recipe.bundle, recipe.device)
    inverter = Inverter(InvertConfig.model_validate_json(recipe.config), bundle)

    def invert(portraits: Sequence[AlignedRecord]) -> list[list[Record]]:
        return [[record] for record in inverter.invert(list(portraits))]

    return invert


@lru_cache(maxsize=4)
def build_stylizer(recipe: Recipe):
    """Return a `Stylizer` of the recipe's domain, with its style from the bank."""
    from itportrait.stylize import StyleTarget, StylizeConfig, Stylizer

    bundle = warm_bundle(recipe.bundle, recipe.device)
    version = read_version(recipe.adapter)
    style = version.style()
    style.check_base(bundle.model_id)
    style.check_domain(recipe.domain)
    target = StyleTarget(
        prompt=version.spec.get("prompt"),
        source_prompt=version.spec.get("source_prompt", "Photo"),
        references=version.reference_images(),
    )
    return Stylizer(
        StylizeConfig.model_validate_json(recipe.config),
        bundle,
        {recipe.domain: style},
        targets={recipe.domain: target},
        versions={recipe.domain: recipe.version},
    )


def _stylize(recipe: Recipe):
    stylizer = build_stylizer(recipe)

    def stylize(pairs: Sequence[tuple[AlignedRecord, InvertedRecord]]) -> list[list[Record]]:
        photos, codes = [photo for photo, _ in pairs], [code for _, code in pairs]
        return [[record] for record in stylizer.stylize(photos, codes, recipe.domain)]

    return stylize
