"""Mean faces that dense landmarks are laid on: where each point lies in the world, and how surely.

A network that places the points of a turned head also guesses those that it cannot see, and does so
nearer to the front than they are. A mean face therefore may turn with the head: point i lies at
`rest[i] + yaw * turned[i]`. The five points of the crop are its last ones.

Source: `photos` is MediaPipe's canonical face (Apache-2.0), 33 points, laid into EG3D's world by a
turn, a scale and a shift that were fitted to official labels; it does not turn. `drawn` was fitted
by `benchmarks/bm_cameras.py` to drawn people with known cameras.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from itportrait.errors import UnknownNameError

FaceName = Literal["photos", "drawn"]
FIVE = 5
_FILE = Path(__file__).with_name("mean_faces.json")


@dataclass(frozen=True, eq=False)
class MeanFace:
    """A mean face of N points of the mesh and the five points."""

    ids: np.ndarray
    """`[N]` numbers of the points in the mesh."""
    rest: np.ndarray
    """`[N + 5, 3]` where the points lie in the world when the face is seen from the front."""
    turned: np.ndarray
    """`[N + 5, 3]` how far they are moved for each radian of yaw."""
    sigma: np.ndarray
    """`[N + 5, 2]` spread of the points about that in a crop, as shares of its side, in x and y."""
    scale: np.ndarray
    """`[2]` factors from what the fit says of its own error to what was measured: yaw, pitch."""
    growth: np.ndarray
    """`[2]` how much larger these factors are at a yaw of 60 degrees, as shares; they grow with the
    square of yaw."""

    def at(self, yaw_rad: float) -> np.ndarray:
        """Return `[N + 5, 3]` points in the world of a face that is seen from a yaw."""
        return self.rest + yaw_rad * self.turned

    def factors(self, yaw_rad: float) -> np.ndarray:
        """Return `[2]` the factors of yaw's and pitch's errors at a yaw."""
        return self.scale * (1 + self.growth * (yaw_rad / np.radians(60)) ** 2)


def mean_face(name: str) -> MeanFace:
    """Return a mean face by its name.

    Raises:
        UnknownNameError: there is none of this name.
    """
    if name not in get_args(FaceName):
        raise UnknownNameError("mean face", name, list(get_args(FaceName)))
    stored = json.loads(_FILE.read_text())[name]
    return MeanFace(
        ids=np.array(stored["ids"]),
        **{
            key: np.array(stored[key], dtype=np.float64)
            for key in ("rest", "turned", "sigma", "scale", "growth")
        },
    )
