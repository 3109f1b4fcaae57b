"""All points of the face in an aligned portrait that this machine's published networks tell.

They are for programs. The stages take the five points of the detector, and with
`align.camera_points: dense` the mesh: the middles of the irises follow the gaze, and a crop that
was placed by them would, too.
"""

from typing import Self

import numpy as np

from itportrait.align.dense import LEAST_PRESENCE
from itportrait.align.networks import FACE_MESH
from itportrait.landmarks.iris import FaceIris
from itportrait.landmarks.mesh import FaceMesh, Region
from itportrait.published.registry import find_model
from itportrait.published.store import find_weights, state_of

IRISES = "face-iris"
"""Name of the published network of irises."""
_FACE = Region(0.5, 0.5, 1.06, 0.0)
"""What the mesh is shown first: a face may fill an aligned portrait."""


class FacePoints:
    """Finds the points of a face in an aligned portrait.

    Args:
        mesh: finds the 468 points of the mesh.
        iris: finds those of the irises; None where they are not wanted.
    """

    def __init__(self, mesh: FaceMesh, iris: FaceIris | None = None) -> None:
        self.mesh, self.iris = mesh, iris

    @classmethod
    def load(cls) -> Self:
        """Return what this machine has: with `face-iris` 478 points, without it 468.

        Raises:
            MissingModelError: this machine does not have `face-mesh`, or a file is damaged; names
                the command that gets it.
        """
        mesh = FaceMesh.load(find_weights(FACE_MESH))
        if state_of(find_model(IRISES)) == "absent":
            return cls(mesh)
        return cls(mesh, FaceIris.load(find_weights(IRISES)))

    def find(self, pixels: np.ndarray) -> np.ndarray | None:
        """Return `[478, 3]` or `[468, 3]` points as `Mesh.points`; None where no face is seen.

        Args:
            pixels: uint8 `[S, S, 3]`, an aligned portrait.

        Raises:
            InvalidArgumentError: the picture is no square.
        """
        mesh = self.mesh.find(pixels, _FACE)
        if mesh.presence < LEAST_PRESENCE:
            return None
        return mesh.points if self.iris is None else self.iris.find(pixels, mesh.points)
