"""What a style domain changes: a few parts of the shape, some colors, and the finish."""

from dataclasses import dataclass, field
from typing import Literal

Color = tuple[float, float, float]
Finish = Literal["photo", "pencil", "bronze", "cartoon", "watercolor", "clay"]
Bump = tuple[float, Color, Color, bool]
"""Amplitude, center, radii, mirrored."""


@dataclass(frozen=True)
class Style:
    """Changes to a person's look; the defaults change nothing. Colors are sRGB in [0, 1]."""

    finish: Finish = "photo"
    eye_scale: float = 1.0
    eye_open_scale: float = 1.0
    nose_scale: float = 1.0
    ear_scale: float = 1.0
    ear_point: float = 0.0
    """Length of pointed ears, 0 for none."""
    hairless: bool = False
    bumps: tuple[Bump, ...] = ()
    skin: Color | None = None
    redness: float = 1.0
    hair: Color | None = None
    iris: Color | None = None
    sclera: Color | None = None
    lips: Color | None = None
    nose: Color | None = None
    """A painted ball at the tip."""
    eye_paint: Color | None = None
    """Paint around the eyes."""
    stains: Color | None = None
    """Blotches on the skin."""
    cloth: Color | None = None
    background: tuple[Color, Color] | None = None
    """Middle and rim."""
    traits: dict[str, float] = field(default_factory=dict)
    """Traits that are set."""
    factors: dict[str, float] = field(default_factory=dict)
    """Traits that are multiplied."""
    minimums: dict[str, float] = field(default_factory=dict)
    """Traits that are at least this."""
