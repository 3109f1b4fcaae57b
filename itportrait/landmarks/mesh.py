"""468 points of a face, by MediaPipe's face mesh.

Convention: points are fractions of the picture's sides, x right, y down, and a relative depth, away
from the camera, in the same unit; their order is that of MediaPipe's canonical face.

Source: MediaPipe's face landmark graphs for what the network is shown: a square about the face,
half again as large as the box of its points, turned so that the eyes are level, in [0, 1].
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.landmarks.graph import SquareNetwork

POINTS = 468
"""Number of points."""
RIGHT_EYE, LEFT_EYE = 33, 263
"""Outer corners of the eyes: at image-left, and at image-right."""
ROOM = 1.5
"""Side of what the network is shown over the longer side of the box of the points."""
_PASSES = 2
"""Looks at a face: each but the first about the points of the one before."""


@dataclass(frozen=True)
class Region:
    """A turned square of a picture, in fractions of the picture's sides."""

    x: float
    """Its middle, from the left."""
    y: float
    """Its middle, from the top."""
    side: float
    """Length of its sides."""
    roll_rad: float
    """Turn of the square, clockwise as seen."""


@dataclass(frozen=True)
class Mesh:
    """What the network tells of a face."""

    points: np.ndarray
    """`[468, 3]` fractions of the picture's sides; see the module."""
    presence: float
    """Whether there is a face in what the network was shown, 0 to 1."""


class FaceMesh(SquareNetwork):
    """Finds the points of one face in a square picture.

    Args:
        network: from pictures `[N, 3, S, S]` in [0, 1] to `[N, 1404]` pixels and `[N, 1]`.

    Raises:
        CheckpointError: the network is another one.
    """

    what = "a face mesh"
    outputs = (3 * POINTS, 1)

    @torch.no_grad()
    def find(self, pixels: np.ndarray, region: Region) -> Mesh:
        """Return the points of a face.

        Args:
            pixels: uint8 `[S, S, 3]`.
            region: where the face is, roughly.

        Raises:
            InvalidArgumentError: the picture is no square.
        """
        check_square(pixels)
        picture = torch.tensor(pixels).permute(2, 0, 1)[None] / 255
        points, presence = self._look(picture, region)
        for _ in range(_PASSES - 1):
            points, presence = self._look(picture, region_of(points))
        return Mesh(points, presence)

    def _look(self, picture: Tensor, region: Region) -> tuple[np.ndarray, float]:
        shown = show(picture, region, self.size)
        found, logit = self.network(shown)
        local = found.reshape(POINTS, 3).double().numpy() / self.size
        local[:, :2] -= 0.5
        axes = region.side * turn(region.roll_rad)
        places = local[:, :2] @ axes.T + (region.x, region.y)
        points = np.concatenate([places, region.side * local[:, 2:]], axis=1)
        return points, float(torch.sigmoid(logit))


def check_square(pixels: np.ndarray) -> None:
    """Check that a picture is a square in color.

    Raises:
        InvalidArgumentError: it has another shape than `[S, S, 3]`.
    """
    if pixels.ndim != 3 or pixels.shape[0] != pixels.shape[1] or pixels.shape[2] != 3:
        raise InvalidArgumentError("pixels", expected="[S, S, 3]", actual=list(pixels.shape))


def region_of(points: np.ndarray) -> Region:
    """Return what the network is shown of a face with these points `[468, 2 or more]`."""
    eyes = points[LEFT_EYE, :2] - points[RIGHT_EYE, :2]
    roll = float(np.arctan2(eyes[1], eyes[0]))
    turned = points[:, :2] @ turn(roll)
    low, high = turned.min(0), turned.max(0)
    x, y = turn(roll) @ ((low + high) / 2)
    return Region(float(x), float(y), ROOM * float((high - low).max()), roll)


def turn(roll_rad: float) -> np.ndarray:
    """Return `[2, 2]`, from places in a turned square to places in the picture."""
    sine, cosine = np.sin(roll_rad), np.cos(roll_rad)
    return np.array([[cosine, -sine], [sine, cosine]])


def show(picture: Tensor, region: Region, size: int) -> Tensor:
    """Return a region of pictures `[N, 3, S, S]` as `[N, 3, size, size]`; black outside."""
    scale = region.side * picture.shape[-1] / size
    if scale > 1:
        smaller = max(1, round(picture.shape[-1] / scale))
        picture = F.interpolate(picture, (smaller, smaller), mode="bilinear", antialias=True)
    steps = (torch.arange(size, dtype=torch.float64) + 0.5) / size - 0.5
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    axes = torch.from_numpy(region.side * turn(region.roll_rad))
    places = torch.stack([x, y], dim=-1) @ axes.T + torch.tensor((region.x, region.y))
    grid = (places * 2 - 1).to(picture).expand(len(picture), -1, -1, -1)
    return F.grid_sample(picture, grid, mode="bilinear", align_corners=False)
