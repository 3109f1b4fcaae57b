"""The align stage for the engine: photos to aligned portraits."""

import math
import time
from collections.abc import Sequence
from typing import Any

from itportrait.align import VERSION
from itportrait.align.config import AlignConfig, Reason
from itportrait.io import uris
from itportrait.records import AlignedRecord, Record, RecordError, Source, Status, unread_id
from itportrait.stages.gate import Gate, lower_is_worse
from itportrait.stages.setup import StageSetup
from itportrait.stages.stage import Stage, StageFunction
from itportrait.stages.within import tell_items

_READ_PAUSES_S = (0.2, 1.0, 3.0)
"""Between tries to read one photo from storage that fails now and then."""


def _degrees(value: float) -> str:
    return f"yaw {math.degrees(value):+.0f}°"


class AlignStage(Stage):
    """Finds faces in photos and cuts them out, with their cameras."""

    name = "align"
    version = VERSION
    record_type = AlignedRecord
    folder = "aligned"
    settings = AlignConfig
    measures = ("face_confidence",)
    gates = (
        Gate(Reason.TOO_SMALL, "face_px", "min_face_px", lower_is_worse, "{:.0f} px".format),
        Gate(
            Reason.CUT_BY_BORDER,
            "visible",
            "min_visible",
            lower_is_worse,
            "{:.0%} in the photo".format,
        ),
        Gate(Reason.EXTREME_YAW, "yaw_rad", "max_yaw_deg", abs, _degrees),
        Gate(
            Reason.BLURRED, "sharpness", "min_sharpness", lower_is_worse, "sharpness {:.1f}".format
        ),
        Gate(Reason.OCCLUDED, "covered", "max_covered", abs, "{:.0%} covered".format),
        Gate(Reason.HIDDEN_BY_MASK, "hidden", "max_hidden", abs, "{:.0%} hidden".format),
    )
    # The detector is the same in all bundles. The prior's orbit and, where it is asked for, the
    # encoder's camera are not, and rows do not know them: docs/decisions.md says why.
    uses_models = False

    def build(self, recipe: StageSetup) -> StageFunction:
        """Return the stage's function, with the bundle's detector loaded."""
        from itportrait.align.aligner import Aligner
        from itportrait.bundle.warm import warm_bundle

        bundle = warm_bundle(recipe.bundle, recipe.device)
        aligner = Aligner.of_bundle(AlignConfig.model_validate_json(recipe.config), bundle)

        def align_one(source: Source) -> list[Record]:
            for pause_s in _READ_PAUSES_S:
                try:
                    return list(aligner.align(source, raise_storage_errors=True))
                except OSError:
                    time.sleep(pause_s)
            return list(aligner.align(source))  # a row that says so

        def align(sources: Sequence[Source]) -> list[list[Record]]:
            rows: list[list[Record]] = []
            for source in sources:
                rows.append(align_one(source))
                tell_items(len(rows))
            return rows

        return align

    def failed_row(
        self, recipe: StageSetup, item: Any, status: Status, error: RecordError
    ) -> Record:
        """Return the row of a photo of which nothing is known but its name."""
        return AlignedRecord(
            record_id=unread_id(item),
            uri=uris.redact(item.uri),
            status=status,
            error=error,
        )
