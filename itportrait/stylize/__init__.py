"""Stylize: inverted portraits rendered in style domains, from many views."""

from itportrait.metrics import StyleTarget
from itportrait.stylize.config import StylizeConfig
from itportrait.stylize.stylizer import NonFiniteRenderError, Stylizer
from itportrait.stylize.turntable import render_frames, turntable_cameras

__all__ = [
    "NonFiniteRenderError",
    "StyleTarget",
    "StylizeConfig",
    "Stylizer",
    "render_frames",
    "turntable_cameras",
]
