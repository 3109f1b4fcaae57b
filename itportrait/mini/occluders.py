"""Things before a drawn face, with their masks: a cup that it drinks from, a hand at its chin.

They are drawn on the finished photo, from soft solids (capsules and a cylinder) whose normals are
shaded by one light, so that what is hidden is known to the pixel.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.portraits.colors import hsv, skin_color
from itportrait.portraits.prior import Person
from itportrait.portraits.render import Portrait, build_face

Occluder = Literal["cup", "hand"]
OCCLUDERS: tuple[Occluder, ...] = get_args(Occluder)
"""Names of what can be before a face."""
_LIGHT = np.array([-0.45, -0.6, 0.66])
_FINGERS = ((-0.30, 0.50), (-0.10, 0.60), (0.10, 0.58), (0.29, 0.47))
"""Place across the palm and length of the four fingers, in widths of the palm."""


@dataclass(frozen=True)
class Covered:
    """A photo with something before the face.

    Attributes:
        image: `[S, S, 3]` uint8, RGB.
        mask: `[S, S]` uint8, white (255) where the portrait is seen and black (0) where it is
            hidden, as masks beside photos are.
    """

    image: np.ndarray
    mask: np.ndarray


@dataclass
class _Solid:
    """What is drawn.

    Attributes:
        height: `[S, S]` over the picture, in eye distances.
        inside: `[S, S]` in [0, 1], share of each pixel that it covers.
        color: `[S, S, 3]` sRGB in [0, 1], before it is lit.
    """

    height: np.ndarray
    inside: np.ndarray
    color: np.ndarray


def cover(portrait: Portrait, person: Person, kind: Occluder, seed: int) -> Covered:
    """Put something before a drawn face.

    Args:
        portrait: the drawn photo of any size, with its landmarks.
        person: who is drawn; a hand has the same skin.
        kind: one of `OCCLUDERS`.
        seed: seed of its place, size, turn and color.

    Raises:
        InvalidArgumentError: no such occluder.
    """
    if kind not in OCCLUDERS:
        raise InvalidArgumentError("kind", expected=f"one of {', '.join(OCCLUDERS)}", actual=kind)
    rng = np.random.default_rng((seed, person.index))
    places = _Places.of(portrait)
    solid = _cup(places, rng) if kind == "cup" else _hand(places, person, rng)
    shade = _shade(solid.height * places.unit)
    color = np.clip(solid.color * shade[..., None], 0, 1)
    share = solid.inside[..., None]
    image = portrait.image / 255 * (1 - share) + color * share
    return Covered(
        np.round(255 * image).astype(np.uint8),
        np.round(255 * (1 - solid.inside)).astype(np.uint8),
    )


@dataclass(frozen=True)
class _Places:
    """Where a face lies in a picture.

    Attributes:
        x: `[S, S]`, how far pixels lie to the right of the mouth across the face, in eye distances.
        y: `[S, S]`, how far they lie below it along the face, in eye distances.
        unit: pixels of an eye distance.
    """

    x: np.ndarray
    y: np.ndarray
    unit: float

    @classmethod
    def of(cls, portrait: Portrait) -> "_Places":
        left, right, _, *mouth = portrait.landmarks
        size = portrait.image.shape[0]
        down = np.mean(mouth, axis=0) - (left + right) / 2
        unit = float(max(np.linalg.norm(right - left), 0.9 * np.linalg.norm(down)))
        down = down / np.linalg.norm(down)
        rows, columns = np.mgrid[:size, :size] + 0.5
        x, y = columns - np.mean(mouth, axis=0)[0], rows - np.mean(mouth, axis=0)[1]
        return cls((x * down[1] - y * down[0]) / unit, (x * down[0] + y * down[1]) / unit, unit)

    def turned(self, angle: float, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates about a place, turned by an angle in radians."""
        across, down = self.x - x, self.y - y
        cos, sin = np.cos(angle), np.sin(angle)
        return cos * across + sin * down, cos * down - sin * across

    def coverage(self, distance: np.ndarray) -> np.ndarray:
        """Return how much of each pixel lies inside a signed distance in eye distances."""
        return np.clip(0.5 - distance * self.unit, 0, 1)


def _cup(places: _Places, rng: np.random.Generator) -> _Solid:
    """Return a cup before the mouth, with a handle on one side and a band around it."""
    radius, tall = rng.uniform(0.42, 0.55), rng.uniform(0.9, 1.15)
    side = rng.choice((-1, 1))
    x, y = places.turned(rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15), -0.12)
    taper = radius * (1 - 0.14 * np.clip(y / tall, 0, 1))
    curve = 0.2 * np.sqrt(np.clip(taper**2 - x**2, 0, None))
    body = np.maximum(np.abs(x) - taper, np.maximum(-y - curve, y - tall - curve))
    ring = np.hypot(x - side * (radius + 0.12), y - 0.45 * tall) - 0.22
    handle = np.abs(ring) - 0.06
    rim = np.hypot(x, 3.2 * y) - 0.92 * radius
    height = np.sqrt(np.clip(taper**2 - x**2, 0, None))
    bead = np.sqrt(np.clip(0.06**2 - ring**2, 0, None))
    height = np.where(body < 0, height, bead)
    hue, glaze = rng.uniform(), rng.uniform(0.35, 0.8)
    color = np.broadcast_to(hsv(hue, glaze, 0.85).numpy(), (*x.shape, 3)).copy()
    band = np.abs(y - 0.62 * tall - curve) < 0.07
    color[band & (body < 0)] = hsv(hue + 0.4, 0.3, 0.95).numpy()
    color[rim < 0] *= 0.35
    return _Solid(height, places.coverage(np.minimum(body, handle)), color)


def _hand(places: _Places, person: Person, rng: np.random.Generator) -> _Solid:
    """Return a hand that lies at the cheek or the chin, its fingers upward."""
    side = rng.choice((-1, 1))
    width = rng.uniform(0.95, 1.15)
    place = side * rng.uniform(0.15, 0.5), rng.uniform(0.75, 1.0)
    x, y = places.turned(side * rng.uniform(-0.1, 0.45), *place)
    x, y = side * x / width, y / width
    parts = [_capsule(x, y, (0.0, 0.10), (0.0, 0.75), 0.40)]
    for across, length in _FINGERS:
        bent = across * 1.25
        parts.append(_capsule(x, y, (across, -0.15), (bent, -0.15 - length), 0.105))
    parts.append(_capsule(x, y, (-0.36, 0.30), (-0.62, -0.12), 0.115))
    parts.append(_capsule(x, y, (0.0, 0.8), (0.05, 3.0), 0.31))
    height = width * np.max([part.height for part in parts], axis=0)
    distance = width * np.min([part.distance for part in parts], axis=0)
    skin = 1.12 * skin_color(build_face(person)).numpy()
    creases = np.sort([part.height for part in parts], axis=0)
    close = np.clip(1 - (creases[-1] - creases[-2]) / 0.05, 0, 1) * (creases[-2] > 0)
    color = skin * (1 - 0.35 * close[..., None])
    return _Solid(height, places.coverage(distance), color)


@dataclass(frozen=True)
class _Part:
    distance: np.ndarray
    height: np.ndarray


def _capsule(
    x: np.ndarray,
    y: np.ndarray,
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
) -> _Part:
    """Return signed distance to a thick line, and its height where it is round."""
    along = np.array(end) - np.array(start)
    t = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along)
    t = np.clip(t, 0, 1)
    away = np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1])
    return _Part(away - radius, np.sqrt(np.clip(radius**2 - away**2, 0, None)))


def _shade(height: np.ndarray) -> np.ndarray:
    """Return the light `[S, S]` on a surface of heights in pixels."""
    down, across = np.gradient(height)
    normal = np.stack([-across, -down, np.ones_like(height)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    diffuse = np.clip(normal @ _LIGHT, 0, None)
    return 0.42 + 0.62 * diffuse + 0.25 * diffuse**24
