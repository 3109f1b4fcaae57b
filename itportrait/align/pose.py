"""The camera of a crop: EG3D's label formula, and an estimate of the pose from five points.

Convention: cameras as in `geometry.camera`. A face turned to image-left has camera x > 0.

Source: EG3D's preprocessing for the formula. It takes the pose from Deep3DFaceRecon's network;
deviation: here from the five points with weak priors, which places the camera 3.2 deg off on
average up to 35 deg of yaw, and 15 beyond (225 frames of one person against EG3D's own labels).
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import least_squares

from itportrait.align.crop import FACE_POINTS
from itportrait.geometry.camera import make_intrinsics, pack_camera
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit

FOCAL = FFHQ_ORBIT.focal
"""Focal length with which the mean face below was fitted to crops. It belongs to the crop, which is
the same for every generator, and so does the distance: only the pose leaves `estimate_pose`."""
FACE_SCALE = 0.27
"""World units per decimeter of face space."""
FACE_OFFSET = np.array([0.0, 0.010, 0.161])
"""Position of face space's origin in the world, fitted to official labels."""
LABEL_OFFSET = np.array([0.0, 0.006, 0.161])
"""Position of face space's origin in the label formula, which rounds it."""
MEAN_TRANSLATION = np.array([0.0, -0.01, 0.2])
"""Mean of the pose network's translations. With it and the exact rotation, positions are right to
0.27 degrees on average; looking at the origin instead costs 2.1 degrees."""
NETWORK_DISTANCE = np.array([0.0, 0.0, 10.0])

POINT_SIGMA = 0.015
"""Expected error of a landmark as a share of the crop's side: how much faces differ from the
mean."""
ANGLE_SIGMA_DEG = np.array([7.0, 25.0, 5.0])
"""Spread of pitch, yaw and roll in portraits, in degrees. Yaw and roll are heavy-tailed (Cauchy),
because with a Gaussian a head tilted by 35 degrees comes out as 30. Pitch is Gaussian and narrow,
because five points hardly tell it from a smile: with a wide one, an astronaut's smile comes out as
a pitch of 20 to 35 degrees."""
DISTANCE_PRIOR = (2.85, 0.05)


@dataclass(frozen=True)
class Pose:
    """A head's pose as the pose network gives it."""

    angles: np.ndarray
    """`[3]` radians: about x (pitch), y (yaw), z (roll)."""
    residual: float
    """Root mean square distance of the points from the model's, as a share of the crop's side."""


def rotation_of(angles: np.ndarray) -> np.ndarray:
    """Return `(Rz Ry Rx)^T` of `[3]` angles about x, y, z in radians."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).T


def label_from_pose(
    angles: np.ndarray,
    translation: np.ndarray = MEAN_TRANSLATION,
    *,
    orbit: Orbit = FFHQ_ORBIT,
) -> np.ndarray:
    """Return EG3D's camera label of a head's pose.

    Args:
        angles: `[3]` radians about x, y, z, as the pose network gives them.
        translation: `[3]`, as it gives it; its mean where only the rotation is known.
        orbit: of the generator's family. The formula is that of FFHQ's world; in a world of another
            scale the head is as large as its crops show it, about that world's pivot.

    Returns:
        `[25]` float64: cam2world, then intrinsics; the camera is `orbit.radius` from the origin.
    """
    size, far = orbit.head_scale, orbit.distance_scale
    head = LABEL_OFFSET * size + (np.array(orbit.pivot) - np.array(FFHQ_ORBIT.pivot) * size)
    rotation = rotation_of(np.asarray(angles, dtype=np.float64))
    away = -rotation @ (np.asarray(translation) - NETWORK_DISTANCE) * FACE_SCALE
    position = away * far + head
    cam2world = np.eye(4)
    cam2world[:3, :3] = rotation @ np.diag([1.0, -1.0, -1.0])
    cam2world[:3, 3] = orbit.radius * position / np.linalg.norm(position)
    focal = torch.tensor([orbit.focal], dtype=torch.float64)
    return pack_camera(torch.from_numpy(cam2world)[None], make_intrinsics(focal))[0].numpy()


def angle_residuals(angles: np.ndarray) -> np.ndarray:
    """Return `[3]` residuals of a pose's angles under their priors."""
    ratios = angles / np.radians(ANGLE_SIGMA_DEG)
    ratios[1:] = np.sign(ratios[1:]) * np.sqrt(np.log1p(ratios[1:] ** 2))
    return ratios


def estimate_pose(points: np.ndarray) -> Pose:
    """Fit the mean face to five points of a crop.

    Args:
        points: `[5, 2]` fractions of the crop's side, x right, y down.

    Returns:
        The pose under the priors above.
    """
    world = FACE_SCALE * FACE_POINTS + FACE_OFFSET

    def errors(guess: np.ndarray) -> np.ndarray:
        # x right, y up, z towards the camera, in the camera's frame.
        seen = world @ rotation_of(guess[:3]) - guess[3:]
        u = 0.5 - FOCAL * seen[:, 0] / seen[:, 2]
        v = 0.5 + FOCAL * seen[:, 1] / seen[:, 2]
        return np.concatenate([u - points[:, 0], v - points[:, 1]])

    def residuals(guess: np.ndarray) -> np.ndarray:
        angles = angle_residuals(guess[:3])
        distance = (np.linalg.norm(guess[3:]) - DISTANCE_PRIOR[0]) / DISTANCE_PRIOR[1]
        return np.concatenate([errors(guess) / POINT_SIGMA, angles, [distance]])

    eyes = points[1] - points[0]
    roll = np.clip(np.arctan2(eyes[1], eyes[0]), -np.pi / 2, np.pi / 2)
    start = np.array([0, 0, roll, 0, 0, DISTANCE_PRIOR[0]])
    found = least_squares(residuals, start, method="lm").x
    return Pose(found[:3], float(np.sqrt(2 * np.mean(errors(found) ** 2))))
