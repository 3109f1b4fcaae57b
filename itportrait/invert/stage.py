"""The invert stage for the engine: aligned portraits to the generator's codes."""

import json
from collections.abc import Sequence

from itportrait.invert import VERSION
from itportrait.invert.config import LOW_QUALITY, InvertConfig
from itportrait.invert.methods import INVERSIONS
from itportrait.records import AlignedRecord, InvertedRecord, Record
from itportrait.stages.gate import Gate, lower_is_worse
from itportrait.stages.setup import StageSetup
from itportrait.stages.stage import Stage, StageFunction


class InvertStage(Stage):
    """Finds the code and the camera with which the generator shows a portrait."""

    name = "invert"
    version = VERSION
    record_type = InvertedRecord
    folder = "inverted"
    settings = InvertConfig
    follows = "align"
    takes = (AlignedRecord,)
    measures = ("psnr", "perceptual", "identity", "steps")
    gates = (
        Gate(LOW_QUALITY, "psnr", "min_psnr", lower_is_worse, "{:.1f} dB".format),
        Gate(LOW_QUALITY, "identity", "min_identity", lower_is_worse, "identity {:.2f}".format),
    )

    def version_under(self, config: str) -> int | list[int]:
        """Return the stage's version, and the method's past its first, which was not hashed."""
        name = json.loads(config).get("method", InvertConfig.model_fields["method"].default)
        own = INVERSIONS.get(name).VERSION
        return self.version if own == 1 else [self.version, own]

    def build(self, recipe: StageSetup) -> StageFunction:
        """Return the stage's function, with the bundle's models loaded."""
        from itportrait.bundle.warm import warm_bundle
        from itportrait.invert.inverter import Inverter

        bundle = warm_bundle(recipe.bundle, recipe.device, recipe.precision)
        inverter = Inverter(InvertConfig.model_validate_json(recipe.config), bundle)

        def invert(portraits: Sequence[AlignedRecord]) -> list[list[Record]]:
            with bundle.precision.applied():
                return [[record] for record in inverter.invert(list(portraits))]

        return invert

    def precision_used(self, recipe: StageSetup) -> str:
        """Return what the generator that `build` has loaded computes with."""
        from itportrait.bundle.warm import precision_used

        return precision_used(recipe.bundle, recipe.device, recipe.precision)
