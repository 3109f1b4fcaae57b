"""Settings of the styleclip method; the published programs' values are the defaults."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.settings import MethodConfig
from itportrait.config import Settings

Form = Literal["directions", "optimization"]


class RelevanceConfig(Settings):
    """How the relevances of a bundle's channels are measured; see `styleclip.relevances`."""

    samples: int = Field(default=100, ge=1)
    """Number of random portraits on which each channel is changed."""
    deviations: float = Field(default=5.0, gt=0)
    """How far a channel is set from its mean, to both sides, in standard deviations."""
    statistics_samples: int = Field(default=100_000, ge=2)
    """Number of random codes from which means and standard deviations are taken."""
    truncation_psi: float = Field(default=0.7, ge=0)
    """Truncation of these codes and portraits; 1 is none."""
    batch: int = Field(default=16, ge=1)
    """Number of portraits that are rendered at once."""
    seed: int = Field(default=0, ge=0)
    """Seed of codes and cameras."""


MINI: dict[str, Any] = {
    "optimization": {"steps": 60},
    "directions": {
        "alpha": 2.5,
        "beta": 0.2,
        "agreement": True,
        "relevance": {"samples": 8, "statistics_samples": 10_000, "truncation_psi": 1.0},
    },
}
"""For the embedded family, whose models have few features: see `benchmarks/bm_styleclip.py`. Its
relevances come with it."""


class DirectionTerms(Settings):
    """What global directions of style space read."""

    alpha: float = 4.0
    """Length of the edit at strength 1: by how many standard deviations the most relevant channel
    is shifted. Negative values edit away from the words."""
    beta: float = Field(default=0.13, ge=0, lt=1)
    """Relevance, a cosine, below which a channel is left alone. Lower values change more channels,
    and so more of the picture."""
    agreement: bool = False
    """Whether a channel counts the less, the less portraits agree about what it changes. As
    published, it does not."""
    relevance: RelevanceConfig = RelevanceConfig()
    """How the channels' relevances are measured, once for a bundle."""


class OptimizationTerms(Settings):
    """What the optimization of portraits' codes reads."""

    steps: int = Field(default=300, ge=1)
    """Number of steps for each portrait."""
    learning_rate: float = Field(default=0.1, gt=0)
    """Largest learning rate of Adam; it rises over the first 5 % of the steps and falls over the
    last 25 %."""
    l2: float = Field(default=0.008, ge=0)
    """Weight of the sum of squared differences from the portrait's own code."""
    identity: float = Field(default=0.005, ge=0)
    """Weight of 1 - cosine of the identity embeddings."""
    batch: int = Field(default=1, ge=1)
    """Number of portraits whose codes are optimized at once. More are quicker, and take more
    memory. An optimization enlarges differences of rounding, so with more than 1 the code of a
    portrait depends on how many are optimized beside it."""


class StyleclipTerms(Settings):
    """What the method reads, alone or over another style."""

    form: Form = "directions"
    """How words act: `directions` shifts the same channels of style space for all portraits;
    `optimization` optimizes each portrait's code towards them when it is stylized."""
    clip_weights: tuple[float, ...] | None = None
    """Weights of the bundle's image-text models, one each. None weighs all alike, since questions
    about people are answered best so."""
    directions: DirectionTerms = DirectionTerms()
    """Settings of form `directions`."""
    optimization: OptimizationTerms = OptimizationTerms()
    """Settings of form `optimization`."""

    def unread_terms(self) -> tuple[str, ...]:
        """Return the terms that the other form alone reads."""
        other = {"directions": OptimizationTerms, "optimization": DirectionTerms}[self.form]
        name = "optimization" if self.form == "directions" else "directions"
        return tuple(f"{name}.{key}" for key in other.model_fields)


class StyleclipConfig(StyleclipTerms, MethodConfig):
    """Everything that the styleclip method reads."""

    accepts: ClassVar = frozenset({"text"})
    modes: ClassVar = frozenset({"text"})
    looks_through: ClassVar = frozenset({"clip", "identity"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": MINI}

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        return self.unread_terms()

    def run_steps(self, spec: DomainSpec) -> int:
        return 1
