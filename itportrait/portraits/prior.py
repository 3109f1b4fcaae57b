"""Who is drawn: a standard normal latent, and the traits of a face that it decodes to.

A person is a vector z of 64 independent standard normals, which conditions the mini generator. The
first `len(INPUTS)` have a meaning. A hue takes two of them as a plane (the angle is the hue, the
radius the saturation), because one number for the angle would have a seam that a network cannot
learn. The rest change nothing, just as a real latent has directions that a picture does not show.
"""

import math
from dataclasses import dataclass

import numpy as np

from itportrait.errors import InvalidArgumentError

LATENT_DIM = 64
TRAIN_SEED = 20_231
"""Seed of the people that networks are trained on: `sample_people(count, TRAIN_SEED)`."""
HELD_OUT_SEED = 77_003
"""Seed of people that no network of the package has seen, for validation, demo and tests."""

INPUTS = (
    "melanin", "warmth", "face_width", "jaw_width", "chin", "cheek", "eye_size", "eye_space",
    "eye_tilt", "brow_height", "brow_thick", "nose_length", "nose_width", "nose_bridge", "lips",
    "mouth_width", "smile", "mouth_open", "eye_open", "age", "masculine", "beard", "glasses",
    "hair_length", "hair_volume", "fringe", "part", "curl", "hair_tone", "hair_red", "recede",
    "bun", "iris_tone", "iris_light", "cloth_x", "cloth_y", "cloth_light", "light_azimuth",
    "light_elevation", "light_fill", "background_x", "background_y", "background_light", "gaze_x",
    "gaze_y", "makeup", "ears", "brow_angle",
)  # fmt: skip
_INDEX = {name: index for index, name in enumerate(INPUTS)}


@dataclass(frozen=True)
class Person:
    """One drawn person.

    Attributes:
        latent: `[64]` float32, standard normal.
        index: number of the person in its sample.
    """

    latent: np.ndarray
    index: int = 0

    def __post_init__(self) -> None:
        if np.shape(self.latent) != (LATENT_DIM,):
            raise InvalidArgumentError(
                "latent", expected=f"of shape [{LATENT_DIM}]", actual=list(np.shape(self.latent))
            )

    def __getitem__(self, name: str) -> float:
        """Return the standard normal input of a name in `INPUTS`."""
        return float(self.latent[_INDEX[name]])


def sample_people(count: int, seed: int) -> list[Person]:
    """Draw people from the prior.

    Args:
        count: number of people; a longer sample of the same seed begins with the same people.
        seed: `TRAIN_SEED`, `HELD_OUT_SEED` or another non-negative number.

    Returns:
        `count` people.
    """
    rows = np.random.default_rng(seed).standard_normal((count, LATENT_DIM)).astype(np.float32)
    return [Person(row, index) for index, row in enumerate(rows)]


@dataclass(frozen=True)
class Traits:
    """What a latent decodes to. Numbers without a range are in [-1, 1], with 0 the mean."""

    melanin: float
    """Skin, from 0 (fair) to 1 (dark)."""
    warmth: float
    face_width: float
    jaw_width: float
    chin: float
    cheek: float
    eye_size: float
    eye_space: float
    eye_tilt: float
    brow_height: float
    brow_thick: float
    brow_angle: float
    nose_length: float
    nose_width: float
    nose_bridge: float
    lips: float
    mouth_width: float
    smile: float
    """From -0.1 (serious) to 1."""
    mouth_open: float
    """From 0 (closed) to 1."""
    eye_open: float
    age: float
    """From 0 (young) to 1 (old)."""
    masculine: float
    beard: float
    """From 0 (none) to 1."""
    glasses: float
    """From 0 (none) to 1."""
    hair_length: float
    """From 0 (short) to 1 (below the shoulders)."""
    hair_volume: float
    """From 0 (none) to 1."""
    fringe: float
    """From 0 (none) to 1."""
    part: float
    curl: float
    """From 0 (straight) to 1 (curly)."""
    hair_tone: float
    """From 0 (black) to 1 (light blond)."""
    hair_red: float
    """From 0 to 0.8 (red)."""
    recede: float
    """From 0 (a full head of hair) to 1 (bald)."""
    bun: float
    """From 0 (none) to 1."""
    iris_tone: float
    """From 0 (dark brown) to 1 (pale blue)."""
    iris_light: float
    cloth_hue: float
    """Hue in turns, from 0 to 1."""
    cloth_saturation: float
    """From 0 (none) to 1."""
    cloth_light: float
    background_hue: float
    """Hue in turns, from 0 to 1."""
    background_saturation: float
    """From 0 (none) to 1."""
    background_light: float
    light_azimuth: float
    light_elevation: float
    light_fill: float
    gaze_x: float
    gaze_y: float
    makeup: float
    """From 0 (none) to 1."""
    ears: float

    @property
    def bald(self) -> float:
        """From 0 (hair) to 1 (a bare crown), where the hair recedes furthest."""
        return min(1.0, max(0.0, (self.recede - 0.5) / 0.2))

    @property
    def gray(self) -> float:
        """From 0 to 0.9: how gray age has made the hair."""
        return min(0.9, max(0.0, self.age - 0.58) * 2.4)


_BOUNDED = (
    "warmth", "face_width", "jaw_width", "chin", "cheek", "eye_size", "eye_space", "eye_tilt",
    "brow_height", "brow_thick", "brow_angle", "nose_length", "nose_width", "nose_bridge", "lips",
    "mouth_width", "eye_open", "masculine", "part", "iris_light", "cloth_light", "background_light",
    "light_azimuth", "light_elevation", "light_fill", "gaze_x", "gaze_y", "ears",
)  # fmt: skip


def decode_traits(person: Person) -> Traits:
    """Decode a person's latent, continuously and with the correlations of a population."""
    u = person
    masculine, smile = u["masculine"], u["smile"]
    melanin = _sigmoid(1.5 * u["melanin"] - 0.4)
    age = _sigmoid(1.5 * u["age"] - 0.9)
    recede = _sigmoid(1.8 * u["recede"] + 0.9 * masculine + 1.2 * (age - 0.4) - 2.0)
    dark = melanin - 0.4
    cloth_hue, cloth_saturation = _polar(u["cloth_x"], u["cloth_y"])
    background_hue, background_saturation = _polar(u["background_x"], u["background_y"])
    return Traits(
        **{name: math.tanh(0.8 * u[name]) for name in _BOUNDED},
        melanin=melanin,
        age=age,
        smile=1.1 * _sigmoid(1.2 * smile + 1.0) - 0.1,
        mouth_open=max(0.0, math.tanh(0.7 * (u["mouth_open"] - 0.45) + 0.35 * smile) - 0.1) / 0.9,
        beard=_sigmoid(2.6 * u["beard"] + 2.6 * masculine - 2.4),
        glasses=_sigmoid(7 * (u["glasses"] - 0.5)),
        hair_length=_sigmoid(1.8 * u["hair_length"] - 2.0 * masculine + 0.3),
        hair_volume=_sigmoid(1.3 * u["hair_volume"]),
        fringe=_sigmoid(1.9 * u["fringe"] - 0.4 * masculine - 1.2),
        curl=_sigmoid(2.0 * u["curl"] + 1.6 * dark - 0.6),
        hair_tone=_sigmoid(1.5 * u["hair_tone"] - 0.45 - 2.2 * dark),
        hair_red=0.8 * max(0.0, math.tanh(0.8 * u["hair_red"])),
        recede=recede,
        bun=_sigmoid(10 * (u["bun"] - 0.9 * masculine - 1.0)) * _sigmoid(12 * (0.45 - recede)),
        iris_tone=_sigmoid(1.5 * u["iris_tone"] - 2.4 * dark),
        cloth_hue=cloth_hue,
        cloth_saturation=cloth_saturation,
        background_hue=background_hue,
        background_saturation=background_saturation,
        makeup=_sigmoid(1.5 * u["makeup"] - 1.2 * masculine - 0.3),
    )


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _polar(x: float, y: float) -> tuple[float, float]:
    """Return the hue in turns, and the radius squeezed into [0, 1)."""
    return math.atan2(y, x) / math.tau % 1.0, math.tanh(0.9 * math.hypot(x, y))
