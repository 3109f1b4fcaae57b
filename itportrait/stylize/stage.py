"""The stylize stage for the engine: codes to pictures in one style domain."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from itportrait.bank.version import read_version
from itportrait.records import (
    AlignedRecord,
    InvertedRecord,
    Record,
    RecordError,
    Status,
    StylizedRecord,
)
from itportrait.stages.setup import StageSetup
from itportrait.stages.stage import Stage, StageFunction
from itportrait.stylize import VERSION
from itportrait.stylize.config import StylizeConfig

if TYPE_CHECKING:
    from itportrait.stylize.stylizer import Stylizer


class StylizeStage(Stage):
    """Renders inverted portraits in a style domain."""

    name = "stylize"
    version = VERSION
    record_type = StylizedRecord
    folder = "stylized"
    settings = StylizeConfig
    follows = "invert"
    takes = (AlignedRecord, InvertedRecord)
    measures = ("clip_direction", "clip_image", "identity", "depth_distance", "depth_variance")
    per_domain = True

    def build(self, recipe: StageSetup) -> StageFunction:
        """Return the stage's function, with the bundle's models and the domain's style loaded."""
        stylizer = build_stylizer(recipe)

        def stylize(pairs: Sequence[tuple[AlignedRecord, InvertedRecord]]) -> list[list[Record]]:
            photos, codes = [photo for photo, _ in pairs], [code for _, code in pairs]
            with stylizer.bundle.precision.applied():
                return [[record] for record in stylizer.stylize(photos, codes, recipe.domain)]

        return stylize

    def precision_used(self, recipe: StageSetup) -> str:
        """Return what the generator that `build` has loaded computes with."""
        from itportrait.bundle.warm import precision_used

        return precision_used(recipe.bundle, recipe.device, recipe.precision)

    def failed_row(
        self, recipe: StageSetup, item: Any, status: Status, error: RecordError
    ) -> Record:
        """Return the row of a portrait that could not be rendered in the recipe's domain."""
        return StylizedRecord(
            record_id=item[-1].record_id,
            domain=recipe.domain,
            version=recipe.version,
            status=status,
            error=error,
        )


@lru_cache(maxsize=4)
def build_stylizer(recipe: StageSetup) -> "Stylizer":
    """Return a `Stylizer` of the recipe's domain, with its style from the bank."""
    from itportrait.bundle.warm import warm_bundle
    from itportrait.stylize import StyleTarget, Stylizer

    bundle = warm_bundle(recipe.bundle, recipe.device, recipe.precision)
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
