"""The registry of stages."""

from typing import TYPE_CHECKING

from itportrait.registry import Registry

if TYPE_CHECKING:
    from itportrait.stages.stage import Stage

_OWN = {
    "align": "itportrait.align.stage:AlignStage",
    "invert": "itportrait.invert.stage:InvertStage",
    "stylize": "itportrait.stylize.stage:StylizeStage",
}
CHAIN = ("align", "invert", "stylize")
"""The stages of the main job unless its configuration says otherwise, in the order in which photos
go through them."""

STAGES: "Registry[type[Stage]]" = Registry("stage", group="itportrait.stages", own=_OWN)
"""Stages by name; other packages add theirs through entry points."""


def stage_named(name: str) -> "Stage":
    """Return the stage of a name.

    Raises:
        UnknownNameError: no stage has the name; lists the known ones.
    """
    return STAGES.get(name)()
