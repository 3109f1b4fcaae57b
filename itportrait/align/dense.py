"""The camera of a crop from dense landmarks and the five points together, and how sure it is.

One robust fit: a mean face is moved and turned until its points lie where they were found, under
the priors of `pose.py`. What is left of the error is not noise of each point by itself (a person
differs from the mean in all points at once), so the fit's own covariance is brought to measured
errors by factors that belong to the mean face.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy.optimize import OptimizeResult, least_squares

from itportrait.align.crop import CropPlan, cut
from itportrait.align.mean_faces import MeanFace, mean_face
from itportrait.align.networks import FACE_MESH
from itportrait.align.pose import (
    DISTANCE_PRIOR,
    FOCAL,
    angle_residuals,
    label_from_pose,
    rotation_of,
)
from itportrait.geometry.camera import camera_angles
from itportrait.landmarks.mesh import FaceMesh, Region
from itportrait.published.store import find_weights

_ROOM = 1.25
"""Side of the picture that the network is shown a part of, in crops: a face may fill the crop."""
_FACE = 1.06
"""Side of what the network is shown first, in crops; it looks again about the points found."""
LEAST_PRESENCE = 0.5
"""Presence below which the mesh is not that of a face."""
_STEP = 1e-4
"""Step of the numeric derivatives, in radians."""


@dataclass(frozen=True)
class DensePose:
    """A head's pose, and how sure it is."""

    angles: np.ndarray
    """`[3]` radians, as in `pose.Pose`."""
    yaw_std_rad: float
    """Standard deviation of the camera's yaw, in radians."""
    pitch_std_rad: float
    """Standard deviation of the camera's pitch, in radians."""


class DenseCamera:
    """Estimates poses by the mesh of a face.

    Args:
        mesh: finds the points.
        face: what they are laid on.
    """

    def __init__(self, mesh: FaceMesh, face: MeanFace) -> None:
        self.mesh, self.face = mesh, face

    @classmethod
    def load(cls, face: str) -> Self:
        """Return the estimator on this machine's published network.

        Args:
            face: name of the mean face.

        Raises:
            MissingModelError: this machine does not have the network; names the command that gets
                it.
        """
        return cls(FaceMesh.load(find_weights(FACE_MESH)), mean_face(face))

    def estimate(self, pixels: np.ndarray, plan: CropPlan, five: np.ndarray) -> DensePose | None:
        """Return the pose of a face; None where the network sees no face.

        Args:
            pixels: `[H, W, 3]` uint8, the photo.
            plan: where its crop lies.
            five: `[5, 2]` the five points as fractions of the crop.
        """
        points = self.find(pixels, plan, five)
        if points is None:
            return None
        return fit_pose(np.concatenate([points[self.face.ids, :2], five]), self.face)

    def find(self, pixels: np.ndarray, plan: CropPlan, five: np.ndarray) -> np.ndarray | None:
        """Return `[468, 3]` points as fractions of the crop, as `Mesh.points`; None: no face."""
        wide = plan.adjusted(_ROOM, (0, 0))
        room = wide.side / plan.side
        corner = (np.array(wide.corner) - plan.corner) / plan.side
        middle, eyes = (0.5 - corner) / room, five[1] - five[0]
        roll = float(np.arctan2(eyes[1], eyes[0]))
        start = Region(float(middle[0]), float(middle[1]), _FACE / room, roll)
        mesh = self.mesh.find(cut(pixels, wide), start)
        if mesh.presence < LEAST_PRESENCE:
            return None
        return mesh.points * room + [*corner, 0]


def fit_pose(points: np.ndarray, face: MeanFace) -> DensePose:
    """Fit a mean face to its points in a crop.

    Args:
        points: `[N + 5, 2]` fractions of the crop's side, x right, y down.
        face: what they are laid on.
    """
    eyes = points[-4] - points[-5]
    roll = np.clip(np.arctan2(eyes[1], eyes[0]), -np.pi / 2, np.pi / 2)
    start = np.array([0, 0, roll, 0, 0, DISTANCE_PRIOR[0]])

    def residuals(guess: np.ndarray) -> np.ndarray:
        errors = (project(face, guess) - points) / face.sigma
        distance = (np.linalg.norm(guess[3:]) - DISTANCE_PRIOR[0]) / DISTANCE_PRIOR[1]
        return np.concatenate([errors.ravel(), angle_residuals(guess[:3]), [distance]])

    found = least_squares(residuals, start, loss="soft_l1")
    return DensePose(found.x[:3], *_deviations(found, face))


def project(face: MeanFace, guess: np.ndarray) -> np.ndarray:
    """Return `[N + 5, 2]` where a face's points lie in the crop.

    Args:
        face: the face.
        guess: `[6]` angles, then where the world's origin lies before the camera, negated.
    """
    rotation = rotation_of(guess[:3])
    seen = face.at(float(np.arctan2(rotation[0, 2], rotation[2, 2]))) @ rotation - guess[3:]
    x = 0.5 - FOCAL * seen[:, 0] / seen[:, 2]
    y = 0.5 + FOCAL * seen[:, 1] / seen[:, 2]
    return np.stack([x, y], axis=1)


def _deviations(found: OptimizeResult, face: MeanFace) -> tuple[float, float]:
    """Return the standard deviations of the camera's yaw and pitch, in radians."""
    covariance = np.linalg.inv(found.jac.T @ found.jac)[:3, :3]
    angles = found.x[:3]
    changes = [(_camera(angles + d) - _camera(angles - d)) / (2 * _STEP) for d in _STEP * np.eye(3)]
    slopes = np.stack(changes, axis=1)
    own = np.sqrt(np.diag(slopes @ covariance @ slopes.T))
    yaw, pitch = own * face.factors(_camera(angles)[0])
    return float(yaw), float(pitch)


def _camera(angles: np.ndarray) -> np.ndarray:
    yaw, pitch = camera_angles(torch.from_numpy(label_from_pose(angles))[None])
    return np.array([float(yaw), float(pitch)])
