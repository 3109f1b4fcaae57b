"""Rays through tri-planes: sample, decode and composite in one op."""

from itportrait.ops.render_rays.op import RENDER_RAYS, render_rays
from itportrait.ops.render_rays.reference import Composite, Space

__all__ = ["RENDER_RAYS", "Composite", "Space", "render_rays"]
