"""Settings of the dr3d method; a module apart from it, so that checking them loads no torch."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from itportrait.adapt.domain import DomainSpec
from itportrait.adversarial import MINI_ADVERSARY
from itportrait.compared.settings import SetConfig
from itportrait.config import Settings

MINI: dict[str, Any] = {
    "ema": 0.96,
    "batch": 4,
    "learning_rate": 1e-3,
    "depth": 10.0,
    "depth_blur": 1.5,
    "warmup": 10,
    "deformation": {"width": 64, "pace": 0.1},
    "poses": {
        "learning_rate": 1e-4,
        "refresh": 10,
        "recolor": 0.5,
        "anchor": True,
        "average": 0.95,
        "mirror": True,
        "level": True,
    },
    "adversary": {**MINI_ADVERSARY, "learning_rate": 1e-3},
}
"""For the embedded family, some 64 pictures, and 80 steps: 40 seconds of one core."""

_LATER = ("average", "mirror", "level")
"""Settings of `poses` that came later: banks from before stand where they are left alone."""


class PoseConfig(Settings):
    """How the cameras of pictures are estimated, and how the estimator follows the generator."""

    learning_rate: float = Field(default=1e-5, gt=0)
    """Learning rate of the estimator's Adam; its first layers stay as they are."""
    head_factor: float = Field(default=5.0, gt=0)
    """Factor on the learning rate of the layer that gives the angles."""
    refresh: int = Field(default=100, ge=1)
    """Number of steps after which what has been learned proposes the cameras of pictures."""
    recolor: float = Field(default=0.0, ge=0, le=1)
    """Probability of each random change of color in the renders that the estimator learns from. It
    then tells poses by shapes, and pictures of other colors from the start."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Share of the estimator's moving average that is kept at a step. The average proposes; with 0
    it is what the last step has left."""
    mirror: bool = False
    """Whether the cameras of pictures are the mean of what is read from them and, turned back, from
    their mirror images."""
    level: bool = False
    """Whether the mean pitch of the set's pictures stays the one that the bundle's encoder reads.
    Generator and estimator cannot tell a common turn of all heads, so that it would drift."""
    anchor: bool = False
    """Whether it learns from as many renders of the base generator too, from cameras of its prior.
    Their poses stay right, so that generator and estimator cannot drift off together."""


class DeformationConfig(Settings):
    """The residual maps that a portrait's code adds to synthesis layers."""

    width: int = Field(default=256, ge=1)
    """Length of the deformation code."""
    sides: tuple[int, ...] = (8, 16, 32)
    """Sides in pixels of the synthesis blocks to which maps are added; none leaves them out."""
    pace: float = Field(default=1.0, gt=0)
    """Factor on the generator's learning rate for the layers that give the maps."""


class Dr3dConfig(SetConfig):
    """Everything that the dr3d method reads."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": MINI}

    batch: int = Field(default=16, ge=1)
    """Number of pictures, and of renders, in a step; the published 64 were spread over four
    GPUs."""
    frozen_rows: int = Field(default=5, ge=0)
    """Number of first rows of a 14-row code whose synthesis blocks stay as they are; codes of other
    lengths have as many at the same depth."""
    depth: float = Field(default=3.0, ge=0)
    """Weight of the difference of blurred depth to the base generator."""
    depth_blur: float = Field(default=3.0, ge=0)
    """Standard deviation of that blur, in pixels of the raw rendering."""
    pose: float = Field(default=10.0, ge=0)
    """Weight of the squared error of the pose that the estimator sees in renders."""
    normal: float = Field(default=1.0, ge=0)
    """Weight of the change of surface normals from pixel to pixel."""
    warmup: int = Field(default=0, ge=0)
    """Number of first steps in which the discriminator and the estimator learn alone."""
    deformation: DeformationConfig = DeformationConfig()
    """Deformation of portraits in the low-resolution layers."""
    poses: PoseConfig = PoseConfig()
    """Cameras of the pictures, which come without."""

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        return (
            *(() if self.depth else ("depth_blur",)),
            *(() if self.deformation.sides else ("deformation.width", "deformation.pace")),
            *super().unread(spec),
        )

    def name_as_first(self, settings: dict[str, Any], spec: DomainSpec) -> None:
        """Leave out what the first release of the method did not know, where it changes nothing."""
        neutral = PoseConfig()
        for name in _LATER:
            if settings["poses"][name] == getattr(neutral, name):
                del settings["poses"][name]
