"""Stylize: inverted portraits rendered in style domains, from many views."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.metrics import StyleTarget
    from itportrait.stylize.config import DeliverablesConfig, StylizeConfig
    from itportrait.stylize.paste import color_profile, paste_back
    from itportrait.stylize.stylizer import NonFiniteRenderError, Stylizer
    from itportrait.stylize.turntable import render_frames, turntable_cameras

VERSION = 1
"""Version of the stage's code. It is raised when results change; rows of other versions are
computed anew."""

__all__ = [
    "VERSION",
    "DeliverablesConfig",
    "NonFiniteRenderError",
    "StyleTarget",
    "StylizeConfig",
    "Stylizer",
    "color_profile",
    "paste_back",
    "render_frames",
    "turntable_cameras",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "itportrait.metrics": "StyleTarget",
        "config": "DeliverablesConfig StylizeConfig",
        "paste": "color_profile paste_back",
        "stylizer": "NonFiniteRenderError Stylizer",
        "turntable": "render_frames turntable_cameras",
    },
)
