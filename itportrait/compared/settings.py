"""Settings that methods share; a module apart from them, so that checking loads no torch."""

from typing import ClassVar

from pydantic import Field

from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.settings import FinetuningConfig
from itportrait.adversarial import AdversarialConfig


class GuidedConfig(FinetuningConfig):
    """What methods read that train one copy by guides: the figures of its Adam.

    The defaults are JoJoGAN's published ones; other methods give their own.
    """

    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of Adam's two averages."""


class SetConfig(FinetuningConfig):
    """What methods read that train one copy on a set of pictures, against a discriminator."""

    accepts: ClassVar = frozenset({"set"})
    modes: ClassVar = frozenset({"image"})
    trains: ClassVar = frozenset({"all", "planes_only", "synthesis_sr"})
    looks_through: ClassVar = frozenset({"perceptual", "depth"})

    batch: int = Field(default=16, ge=1)
    """Number of pictures, and of renders, in a step."""
    learning_rate: float = Field(default=2.5e-3, gt=0)
    """Learning rate of the generator's Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of the two averages of the generator's Adam."""
    mirror: bool = True
    """Whether half of the pictures are mirrored."""
    adversarial: float = Field(default=1.0, ge=0)
    """Weight of the discriminator's verdict."""
    depth: float = Field(default=3.0, ge=0)
    """Weight of the mean absolute difference of depth to the base generator."""
    adversary: AdversarialConfig = AdversarialConfig()
    """The discriminator."""

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        return tuple(f"adversary.{name}" for name in self.adversary.unread_terms())
