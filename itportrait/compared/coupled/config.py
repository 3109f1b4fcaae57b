"""Settings of couplings: those of each part under its name, with its weight."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from itportrait.adapt.domain import DomainSpec
from itportrait.compared.jojogan.config import MINI as JOJOGAN_MINI
from itportrait.compared.jojogan.config import JojoTerms
from itportrait.compared.settings import GuidedConfig
from itportrait.compared.stylegan_nada.config import MINI as NADA_MINI
from itportrait.compared.stylegan_nada.config import NadaTerms
from itportrait.config import Settings
from itportrait.editing.clipstyler.config import MINI as CLIPSTYLER_MINI
from itportrait.editing.clipstyler.config import ClipstylerTerms
from itportrait.editing.styleclip.config import MINI as STYLECLIP_MINI
from itportrait.editing.styleclip.config import StyleclipTerms


class CoupledConfig(GuidedConfig):
    """What every coupling reads besides the settings of its parts."""

    modes: ClassVar = frozenset({"image_text"})

    learning_rate: float = Field(default=1.6e-3, gt=0)
    """Learning rate of the one Adam that follows the sum of the losses."""
    betas: tuple[float, float] = (0.0, 0.99199)
    """Decay rates of Adam's two averages."""


class Part(Settings):
    """What every part of a coupling has."""

    weight: float = Field(default=1.0, gt=0)
    """Factor on this part's loss."""


class NadaPart(Part, NadaTerms):
    """The directional loss as a part."""


class JojoPart(Part, JojoTerms):
    """The feature loss as a part."""


class StyleganNadaJojoganConfig(CoupledConfig):
    """Everything that the coupling stylegan_nada+jojogan reads."""

    looks_through: ClassVar = frozenset({"clip", "perceptual"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {"learning_rate": 6e-3, "stylegan_nada": NADA_MINI, "jojogan": JOJOGAN_MINI}
    }

    stylegan_nada: NadaPart = NadaPart()
    """The directional loss along the words."""
    jojogan: JojoPart = JojoPart()
    """The feature loss to the style pictures."""

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        return tuple(f"stylegan_nada.{name}" for name in self.stylegan_nada.unread_terms(spec))


class JojoganStyleclipConfig(CoupledConfig):
    """Everything that the coupling jojogan+styleclip reads."""

    looks_through: ClassVar = frozenset({"clip", "perceptual", "identity"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {"learning_rate": 6e-3, "jojogan": JOJOGAN_MINI, "styleclip": STYLECLIP_MINI}
    }

    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of Adam, which follows the feature loss alone."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of Adam's two averages."""
    jojogan: JojoPart = JojoPart()
    """The feature loss to the style pictures."""
    styleclip: StyleclipTerms = StyleclipTerms()
    """The edit towards the words, over what the pictures have adapted."""

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        return tuple(f"styleclip.{name}" for name in self.styleclip.unread_terms())


class JojoganClipstylerConfig(GuidedConfig):
    """Everything that the coupling jojogan+clipstyler reads."""

    modes: ClassVar = frozenset({"image_text"})
    looks_through: ClassVar = frozenset({"clip", "perceptual"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {"learning_rate": 6e-3, "jojogan": JOJOGAN_MINI, "clipstyler": CLIPSTYLER_MINI}
    }

    jojogan: JojoTerms = JojoTerms()
    """The feature loss to the style pictures, which trains the generator."""
    clipstyler: ClipstylerTerms = ClipstylerTerms()
    """The networks over the trained generator's renders."""
