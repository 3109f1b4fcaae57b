"""What a style domain changes: a few parts of the shape, some colors, and the finish."""

from dataclasses import dataclass, field
from typing import Literal

Color = tuple[float, float, float]
Finish = Literal["photo", "pencil", "bronze", "cartoon", "watercolor", "clay"]
Bump = tuple[float, Color, Color, bool]
"""Amplitude in head units, center, radii, and whether the bump has a mirror image."""


@dataclass(frozen=True)
class Style:
    """Changes to a person's look; the defaults change nothing. Colors are sRGB in [0, 1]."""

    finish: Finish = "photo"
    """What the head is made of, or how the picture is drawn."""
    eye_scale: float = 1.0
    """Factor of the size of the eyes."""
    eye_open_scale: float = 1.0
    """Factor of how far the upper lids are open."""
    nose_scale: float = 1.0
    """Factor of the size of the nose's tip."""
    ear_scale: float = 1.0
    """Factor of the depth of the ears."""
    ear_point: float = 0.0
    """Length of pointed ears; 0 makes none."""
    hairless: bool = False
    """Whether people have no hair, brows and beard."""
    bumps: tuple[Bump, ...] = ()
    """Bumps and hollows that are added to the head."""
    skin: Color | None = None
    """Color of the skin, in place of the person's own."""
    redness: float = 1.0
    """Factor of the blush of the skin; a negative one makes it greenish."""
    hair: Color | None = None
    """Color of hair, brows and beard, in place of the person's own."""
    iris: Color | None = None
    """Color of the irises, in place of the person's own."""
    sclera: Color | None = None
    """Color of the white of the eyes."""
    lips: Color | None = None
    """Color of the lips, in place of the person's own."""
    nose: Color | None = None
    """Color of a ball painted on the nose's tip."""
    eye_paint: Color | None = None
    """Color of paint around the eyes."""
    stains: Color | None = None
    """Color of blotches on the skin."""
    cloth: Color | None = None
    """Color of the clothes, in place of the person's own."""
    background: tuple[Color, Color] | None = None
    """Colors of the background in the middle and at the rim, in place of the person's own."""
    traits: dict[str, float] = field(default_factory=dict)
    """Traits that are set to a value, see `prior.Traits`."""
    factors: dict[str, float] = field(default_factory=dict)
    """Traits that are multiplied by a factor."""
    minimums: dict[str, float] = field(default_factory=dict)
    """Traits that are raised to at least a value."""
