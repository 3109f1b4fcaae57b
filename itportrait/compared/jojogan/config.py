"""Settings of the jojogan method; the published program's values are the defaults."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from itportrait.adapt.settings import PairConfig
from itportrait.compared.settings import GuidedConfig
from itportrait.config import Settings

MINI: dict[str, Any] = {"pair": {"steps": 50}, "size": 128}
"""For the embedded family: its pictures' own size, and a shorter search of the twin."""


class JojoTerms(Settings):
    """What the feature loss reads, alone or as a part of a coupling."""

    pair: PairConfig = PairConfig()
    """How each style picture is inverted: the code of its photo-realistic twin is sought."""
    batch: int | None = Field(default=None, ge=1)
    """Number of style pictures in a step, drawn at random where there are more. None takes all of
    them in every step, as published."""
    mixing: float = Field(default=1.0, ge=0, le=1)
    """Share of a random code in the rows that are mixed; the rest is the style picture's. 1, as
    published by default, replaces them."""
    preserve_color: bool = False
    """Whether the rows that carry color stay those of the twin in training. People then keep colors
    of their own, since the copy never learns to draw other colors in those of the style."""
    size: int = Field(default=256, ge=16)
    """Side in pixels to which pictures are shrunk before their features are compared."""


class JojoganConfig(JojoTerms, GuidedConfig):
    """Everything that the jojogan method reads."""

    accepts: ClassVar = frozenset({"image", "images"})
    modes: ClassVar = frozenset({"image"})
    looks_through: ClassVar = frozenset({"perceptual"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": {**MINI, "learning_rate": 6e-3}}
