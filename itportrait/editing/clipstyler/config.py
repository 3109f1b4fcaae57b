"""Settings of the clipstyler method; the published program's values are the defaults."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.settings import MethodConfig
from itportrait.config import Settings

MINI: dict[str, Any] = {
    "steps": 40,
    "learning_rate": 5e-3,
    "halve_every": 20,
    "channels": 8,
    "from_picture": True,
    "patches": 6,
    "patch_share": 0.5,
    "direction": 3000.0,
    "content": 300.0,
    "tv": 10.0,
}
"""For the embedded family: a smaller network that starts from the picture, fewer steps, and larger
patches, since the embedded image-text model knows whole portraits. The total variation keeps it
from spots of pure color."""


class ClipstylerTerms(Settings):
    """How a network is fitted to each portrait, alone or as a part of a coupling."""

    steps: int = Field(default=200, ge=1)
    """Number of optimization steps for each portrait's network."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Learning rate of Adam at the first step."""
    halve_every: int = Field(default=100, ge=1)
    """Number of steps after which the learning rate is halved, again and again."""
    channels: int = Field(default=16, ge=1)
    """Number of channels of the network at the picture's own size; they double with each halving
    of the size, three times."""
    from_picture: bool = False
    """Whether the network paints over the picture, with a mask of its own, and so starts near it.
    As published it draws the whole picture anew."""
    patches: int = Field(default=64, ge=1)
    """Number of random patches in a step."""
    patch_share: float = Field(default=0.25, gt=0, le=1)
    """Side of a patch as a share of the picture's side (published: 128 of 512 pixels)."""
    distortion: float = Field(default=0.5, ge=0, le=1)
    """How far the corners of a patch may move inwards, as a share of half its side."""
    threshold: float = Field(default=0.7, ge=0)
    """Patches whose directional loss is below this count as 0: they have the style already."""
    patch: float = Field(default=9000.0, ge=0)
    """Weight of the directional loss of patches."""
    direction: float = Field(default=500.0, ge=0)
    """Weight of the directional loss of the whole picture."""
    content: float = Field(default=150.0, ge=0)
    """Weight of the distance to the unstylized render in deep features."""
    tv: float = Field(default=2e-3, ge=0)
    """Weight of the total variation."""
    contrast: float = Field(default=1.0, gt=0)
    """Factor on the contrast of the pictures that are shown; 1 leaves them alone. The published
    program multiplies by 1.5 when it saves a picture, which the paper does not mention."""
    batch: int = Field(default=1, ge=1)
    """Number of portraits whose networks are fitted at once. More are quicker by a quarter, and
    take more memory. A fit enlarges differences of rounding, so with more than 1 the pictures of a
    portrait depend on how many are fitted beside it."""


class ClipstylerFit(ClipstylerTerms):
    """What a style's file says of how it is fitted to portraits."""

    seed: int = Field(default=0, ge=0)
    """Seed of the random draws; each portrait's own follow from this and its code."""


class ClipstylerConfig(ClipstylerTerms, MethodConfig):
    """Everything that the clipstyler method reads."""

    accepts: ClassVar = frozenset({"text"})
    modes: ClassVar = frozenset({"text"})
    looks_through: ClassVar = frozenset({"clip", "perceptual"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {**MINI, "probe": {"count": 4}},
        "published": {"probe": {"count": 4}},
    }

    def run_steps(self, spec: DomainSpec) -> int:
        return 1
