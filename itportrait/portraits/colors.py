"""Colors of a person in a style: skin, hair, irises and clothes, and how colors are mixed.

All colors here are sRGB-like; `shading` squares them into light.
"""

import colorsys
from dataclasses import dataclass

import torch
from torch import Tensor

from itportrait.portraits.head_sdf import Head
from itportrait.portraits.head_sdf.reference import HeadScalars
from itportrait.portraits.prior import Traits
from itportrait.portraits.shape import Proportions
from itportrait.portraits.style import Style

_SKIN_RAMP = (
    (0.97, 0.80, 0.71),
    (0.91, 0.69, 0.56),
    (0.77, 0.54, 0.40),
    (0.57, 0.37, 0.26),
    (0.36, 0.225, 0.155),
)
_HAIR_RAMP = (
    (0.035, 0.030, 0.030),
    (0.12, 0.065, 0.04),
    (0.28, 0.16, 0.085),
    (0.50, 0.31, 0.15),
    (0.80, 0.62, 0.36),
    (0.90, 0.80, 0.60),
)
_IRIS_RAMP = (
    (0.16, 0.085, 0.04),
    (0.34, 0.19, 0.08),
    (0.36, 0.34, 0.14),
    (0.22, 0.42, 0.30),
    (0.20, 0.42, 0.62),
    (0.45, 0.55, 0.62),
)
_GRAY_HAIR = (0.68, 0.68, 0.69)


@dataclass(frozen=True)
class Face:
    """One person in one style: all that materials and light need to know."""

    traits: Traits
    style: Style
    proportions: Proportions
    head: Head

    @property
    def scalars(self) -> HeadScalars:
        """The head's placement numbers."""
        return self.head.scalars


def mix(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Return the linear blend; a weight `[n]` applies to colors `[n, 3]`."""
    if isinstance(t, Tensor) and t.ndim == 1 and max(a.ndim, b.ndim) <= 2 and a.shape[-1:] == (3,):
        t = t[:, None]
    return a + (b - a) * t


def hsv(hue: float, saturation: float, value: float) -> Tensor:
    """Return an sRGB color `[3]`; hue in turns."""
    clip = [min(1.0, max(0.0, x)) for x in (saturation, value)]
    return torch.tensor(colorsys.hsv_to_rgb(hue % 1.0, *clip))


def ramp(table: tuple, t: float) -> Tensor:
    """Return the color `[3]` at `t` in [0, 1] along a table of colors."""
    position = min(0.9999, max(0.0, t)) * (len(table) - 1)
    low = int(position)
    return torch.tensor(table[low]).lerp(torch.tensor(table[low + 1]), position - low)


def mottle(points: Tensor, phase: float = 0.0) -> Tensor:
    """Return a smooth solid texture `[n]` of three octaves, about [-1.5, 1.5]."""
    x, y, z = points.unbind(1)
    total = torch.zeros_like(x)
    for octave, k in enumerate((7.0, 15.0, 31.0)):
        a = torch.sin(k * x + 1.3 * octave + phase + 1.7 * torch.sin(k * 0.7 * y))
        b = torch.sin(k * y + 2.1 * octave + 1.3 * torch.sin(k * 0.8 * z))
        c = torch.sin(k * z + 0.7 * octave + 1.1 * torch.sin(k * 0.6 * x))
        total = total + a * b * c / (1 + 0.6 * octave)
    return total


def hair_color(face: Face) -> Tensor:
    """Return the color `[3]` of hair, brows and beard."""
    t = face.traits
    if face.style.hair is not None:
        return torch.tensor(face.style.hair)
    color = ramp(_HAIR_RAMP, t.hair_tone)
    color = mix(
        color, color * torch.tensor([1.5, 0.78, 0.50]), 0.95 * t.hair_red * (1 - 0.5 * t.hair_tone)
    )
    return mix(color, torch.tensor(_GRAY_HAIR), t.gray)


def skin_color(face: Face) -> Tensor:
    """Return the base color `[3]` of the skin."""
    if face.style.skin is not None:
        return torch.tensor(face.style.skin)
    warm = face.traits.warmth
    tint = torch.tensor([1 + 0.04 * warm, 1.0, 1 - 0.05 * warm])
    return ramp(_SKIN_RAMP, face.traits.melanin) * tint


def iris_color(face: Face) -> Tensor:
    """Return the color `[3]` of the irises."""
    if face.style.iris is not None:
        return torch.tensor(face.style.iris)
    return ramp(_IRIS_RAMP, face.traits.iris_tone) * (1 + 0.25 * face.traits.iris_light)


def cloth_color(face: Face) -> Tensor:
    """Return the color `[3]` of the clothes."""
    if face.style.cloth is not None:
        return torch.tensor(face.style.cloth)
    t = face.traits
    saturation = t.cloth_saturation * (0.72 - 0.25 * t.cloth_light)
    return hsv(t.cloth_hue, saturation, 0.50 + 0.30 * t.cloth_light)
