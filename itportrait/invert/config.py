"""Configuration of the invert stage: the settings of inversion, and those of the chosen method."""

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from itportrait.errors import UnknownNameError
from itportrait.invert.methods import INVERSIONS
from itportrait.invert.settings import InversionSettings

LOW_QUALITY = "low_quality"
"""`error.type` of portraits whose inversion misses a threshold."""
OF_TUNING = ("tune", "good_perceptual", "good_identity")
"""Settings that say nothing to a method that tunes no weights."""


class InvertConfig(InversionSettings):
    """How portraits become W+ codes."""

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The serialized settings are part of the stage's fingerprint. So a setting that earlier
        # releases did not have must leave what they computed as it is, and so must the settings of
        # methods that are not chosen. Those of the chosen one are all there, defaults included:
        # what a later release computes by other defaults is something else.
        data: dict[str, Any] = handler(self)
        del data["methods"]
        if not self._tunes():
            data = {name: value for name, value in data.items() if name not in OF_TUNING}
        options = self._all_options()
        return data | ({"methods": {self.method: options}} if options else {})

    def _tunes(self) -> bool:
        try:
            return INVERSIONS.get(self.method).tunes
        except UnknownNameError:  # settings are also read where their method is not installed
            return not self.model_fields_set.isdisjoint(OF_TUNING)

    def _all_options(self) -> dict[str, Any]:
        try:
            method = INVERSIONS.get(self.method)
        except UnknownNameError:  # settings are also read where their method is not installed
            return self.options
        source = f"invert.methods.{self.method}"
        return method.Config.parse(self.options, source=source).model_dump(mode="json")
