"""478 points of a face: the mesh with its eyes looked at once more, and the irises.

Convention: as in `mesh.py`. Points 0 to 467 are the mesh's; 468 to 472 are the middle, the edge at
image-right, the top, the edge at image-left and the bottom of the iris at image-left (the person's
right eye), and 473 to 477 those of the other. The network tells places in the picture alone: the
depth of the mesh's points stays, and an iris has the mean depth of its eye's outline.

Source: MediaPipe's iris graphs for what the network is shown: a square about the middle between the
corners of an eye, 2.3 times as wide as they are apart, turned so that they are level, in [0, 1].
The eye at image-right is mirrored, since the network knows the other one only. Our difference: the
corners' distance is measured along the turned square, there along the picture's sides, so that here
a head that leans is shown like one that does not. Numbers of points and what becomes of their depth
are those of MediaPipe's face landmarks with attention.
"""

import numpy as np
import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.landmarks.graph import SquareNetwork
from itportrait.landmarks.mesh import POINTS, Region, check_square, show, turn

IRIS_POINTS = 5
"""Number of points of an iris."""
ALL_POINTS = POINTS + 2 * IRIS_POINTS
"""Number of points of a face with its irises."""
IRISES = (POINTS, POINTS + IRIS_POINTS)
"""Middles of the irises: at image-left, and at image-right."""
ROOM = 2.3
"""Side of what the network is shown over the distance of an eye's corners."""
EYES = ((33, 133), (362, 263))
"""Corners of the eyes from image-left to image-right: of the eye at image-left, and the other."""


def _numbers(text: str) -> np.ndarray:
    return np.array([int(word) for word in text.split()])


OUTLINE = 16
"""Number of points of the lids' edges; they are the first of `CONTOURS`."""
CONTOURS = (
    _numbers(
        "33 7 163 144 145 153 154 155 133 246 161 160 159 158 157 173 130 25 110 24 23 22 26 112 "
        "243 247 30 29 27 28 56 190 226 31 228 229 230 231 232 233 244 113 225 224 223 222 221 189 "
        "35 124 46 53 52 65 143 111 117 118 119 120 121 128 245 156 70 63 105 66 107 55 193"
    ),
    _numbers(
        "263 249 390 373 374 380 381 382 362 466 388 387 386 385 384 398 359 255 339 254 253 252 "
        "256 341 463 467 260 259 257 258 286 414 446 261 448 449 450 451 452 453 464 342 445 444 "
        "443 442 441 413 265 353 276 283 282 295 372 340 346 347 348 349 350 357 465 383 300 293 "
        "334 296 336 285 417"
    ),
)
"""`[71]` numbers in the mesh of what the network tells about an eye: at image-left, and the other.
"""
_MIRRORED = (0, 3, 2, 1, 4)
"""Order of an iris that was seen in a mirror."""


class FaceIris(SquareNetwork):
    """Finds the irises of a face whose mesh is known.

    Args:
        network: from pictures `[N, 3, S, S]` in [0, 1] to pixels `[N, 213]` and `[N, 15]`.

    Raises:
        CheckpointError: the network is another one.
    """

    what = "a network of irises"
    outputs = (3 * len(CONTOURS[0]), 3 * IRIS_POINTS)

    @torch.no_grad()
    def find(self, pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return `[478, 3]` points of a face.

        Args:
            pixels: uint8 `[S, S, 3]`.
            points: `[468, 3]` of `FaceMesh.find` in this picture.

        Raises:
            InvalidArgumentError: the picture is no square, or there are other points.
        """
        check_square(pixels)
        if points.shape != (POINTS, 3):
            raise InvalidArgumentError("points", expected="[468, 3]", actual=list(points.shape))
        picture = torch.tensor(pixels).permute(2, 0, 1)[None] / 255
        regions = eye_regions(points)
        left, right = (show(picture, region, self.size) for region in regions)
        contours, irises = self.network(torch.cat([left, right.flip(-1)]))
        result = np.concatenate([points, np.zeros((2 * IRIS_POINTS, 3))])
        for eye, region in enumerate(regions):
            mirrored = eye == 1
            span = slice(IRISES[eye], IRISES[eye] + IRIS_POINTS)
            iris = eye_places(irises[eye], region, self.size, mirrored=mirrored)
            result[CONTOURS[eye], :2] = eye_places(
                contours[eye], region, self.size, mirrored=mirrored
            )
            result[span, :2] = iris[list(_MIRRORED)] if mirrored else iris
            result[span, 2] = points[CONTOURS[eye][:OUTLINE], 2].mean()
        return result


def eye_places(found: Tensor, region: Region, size: int, *, mirrored: bool) -> np.ndarray:
    """Return `[N, 2]` fractions of the picture's sides of what the network says of an eye.

    Args:
        found: `[3 N]` pixels of what the network was shown.
        region: where that lies in the picture.
        size: side of what the network was shown, in pixels.
        mirrored: whether it was shown in a mirror.
    """
    local = found.reshape(-1, 3)[:, :2].double().numpy() / size - 0.5
    if mirrored:
        local = local * (-1, 1)
    return local @ (region.side * turn(region.roll_rad)).T + (region.x, region.y)


def eye_regions(points: np.ndarray) -> tuple[Region, Region]:
    """Return what the network is shown of a face: the eye at image-left, and the other.

    Args:
        points: `[468 or more, 2 or more]`, of `FaceMesh.find`.
    """
    return _eye_region(points, *EYES[0]), _eye_region(points, *EYES[1])


def _eye_region(points: np.ndarray, left: int, right: int) -> Region:
    across = points[right, :2] - points[left, :2]
    x, y = (points[left, :2] + points[right, :2]) / 2
    roll = float(np.arctan2(across[1], across[0]))
    return Region(float(x), float(y), ROOM * float(np.linalg.norm(across)), roll)
