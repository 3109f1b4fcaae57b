"""Settings of the avatargan3d method; a module apart from it, so that checking loads no torch."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from itportrait.adapt.domain import DomainSpec
from itportrait.adversarial import MINI_ADVERSARY
from itportrait.compared.settings import SetConfig
from itportrait.config import Settings

MINI: dict[str, Any] = {
    "ema": 0.9,
    "batch": 4,
    "learning_rate": 3e-3,
    "warp": {"width": 64, "points": 5},
    "cameras": {"faces": 16},
    "adversary": MINI_ADVERSARY,
}
"""For the embedded family and some 64 pictures in a minute of one core."""


class WarpConfig(Settings):
    """The thin-plate spline that bends the front plane of every portrait's scene."""

    points: int = Field(default=7, ge=2)
    """Number of control points along each side of the plane."""
    width: int = Field(default=256, ge=1)
    """Width of the network that moves them."""
    limit: float = Field(default=0.25, gt=0, le=1)
    """Largest shift of a control point along an axis, in halves of the plane's side."""
    size: float = Field(default=0.5, ge=0)
    """Weight of the mean squared length of the shifts."""
    asymmetry: float = Field(default=0.5, ge=0)
    """Weight of the mean squared difference between shifts of the left and of the right side."""


class CamerasConfig(Settings):
    """How the cameras of pictures are aligned with those of the generator."""

    faces: int = Field(default=64, ge=0)
    """Number of pictures, and of renders, whose landmarks are compared to find the distance of the
    cameras. 0 leaves the distance as the family's."""
    fewest: int = Field(default=6, ge=1)
    """Number of pictures, and of renders, in which a face must be found; else
    the distance stays."""
    rounds: int = Field(default=2, ge=1)
    """Number of corrections of the distance."""
    reach: float = Field(default=0.2, ge=0, lt=1)
    """Largest change of the distance, as a share of it. The depths between which the generator
    samples its rays bound it, too, so that no head is clipped."""
    level: bool = True
    """Whether the pitches of pictures are shifted, so that their mean is that of the generator's
    cameras."""
    renders: int = Field(default=0, ge=0)
    """Number of renders from known cameras on which the estimates are also corrected, by ridge
    regression; 0 leaves that out, since it made them worse on drawn people."""
    refresh: int = Field(default=500, ge=1)
    """Number of steps after which the estimates are corrected again."""
    ridge: float = Field(default=0.1, gt=0)
    """Weight that keeps the correction small, for each render."""

    def unread_terms(self) -> tuple[str, ...]:
        """Return the terms that nothing reads beside the others."""
        return (
            *(() if self.faces else ("fewest", "rounds", "reach")),
            *(() if self.renders else ("refresh", "ridge")),
        )


class AvatarGan3dConfig(SetConfig):
    """Everything that the avatargan3d method reads."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": MINI}

    warp: WarpConfig = WarpConfig()
    """The deformation of the front plane."""
    cameras: CamerasConfig = CamerasConfig()
    """Cameras of the pictures, which come without."""

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        cameras = tuple(f"cameras.{name}" for name in self.cameras.unread_terms())
        return (*cameras, *super().unread(spec))
