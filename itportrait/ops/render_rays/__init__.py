"""Rays through tri-planes: sample, decode and composite in one op, with given or drawn samples."""

from itportrait.ops.render_rays.op import RENDER_RAYS, render_rays
from itportrait.ops.render_rays.reference import Composite, Space
from itportrait.ops.render_rays.refined import RENDER_REFINED, render_refined

__all__ = ["RENDER_RAYS", "RENDER_REFINED", "Composite", "Space", "render_rays", "render_refined"]
