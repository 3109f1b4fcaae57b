"""Check cameras that come from elsewhere: they have EG3D's convention, or a likeness is named.

Convention: EG3D's 25 numbers, as in `geometry.camera`. Others are common, and each of them gives 25
numbers as well: axes of OpenGL (y up, looking along -z), world-to-camera matrices, intrinsics in
pixels or before the pose, matrices with columns first. A wrong one costs inversion everything and
says nothing, so a camera is used only if it shows a head in the middle of its picture.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.orbit import CAMERA_DIM, FFHQ_ORBIT, Orbit

CameraConvention = Literal["eg3d", "opengl", "w2c"]
OPENGL_AXES = np.diag([1.0, -1.0, -1.0, 1.0])

_ROTATION_ERROR = 0.01
"""Largest error of a rotation matrix; numbers rounded to three digits pass."""
_DISTANCE = (0.5, 2.0)
_SCALE = (0.4, 2.5)
_ASPECT = (0.8, 1.25)
_OFF_CENTER = 0.2
"""Largest distance of the head from the picture's middle; EG3D's labels and this program stay
within 0.07."""
_BEFORE, _BEHIND = 0.25, 0.2
"""How far before and behind the origin rays must be sampled, in world units of FFHQ's generators:
renders of the embedded family then match those whose samples follow the camera to 40 dB of PSNR;
0.1 further they match to 25 dB, and soon the head is gone."""
_ROUNDING = 0.002
_BEHIND_DEG, _STEEP_DEG, _ROLL_DEG = 110.0, 75.0, 120.0


def to_eg3d(camera: np.ndarray, convention: CameraConvention) -> np.ndarray:
    """Convert a camera to EG3D's convention.

    Args:
        camera: `[25]`, a `[4, 4]` matrix row by row and `[3, 3]` normalized intrinsics.
        convention: `eg3d` (returned as it is), `opengl` (camera-to-world; y up, looking along
            -z), or `w2c` (world-to-camera; y down, looking along +z).

    Returns:
        `[25]` float64.

    Raises:
        InvalidArgumentError: another number of values.
    """
    pose, intrinsics = _unpack(camera)
    if convention == "opengl":
        pose = pose @ OPENGL_AXES
    elif convention == "w2c":
        pose = _inverse(pose)
    return _pack(pose, intrinsics)


def camera_fault(
    camera: np.ndarray,
    usual: Orbit = FFHQ_ORBIT,
    ray_range: tuple[float, float] | None = None,
) -> str | None:
    """Return what is wrong with a camera that came with a portrait, or None where it is sound.

    Args:
        camera: `[25]`, taken for EG3D's convention.
        usual: of the generator's family.
        ray_range: depths between which its rays are sampled, wherever the camera stands; None where
            the samples follow the scene.

    Returns:
        A clause, such as "looks away from the head; it looks like one with the axes of OpenGL".

    Raises:
        InvalidArgumentError: another number of values.
    """
    values = _pack(*_unpack(camera))
    if not np.isfinite(values).all():
        return "has numbers that are not finite"
    if not values.any():
        return "is all zeros"
    with np.errstate(all="ignore"):
        fault = _fault(values, usual)
        if fault is None:
            return None if ray_range is None else _depth_fault(values, usual, ray_range)
        for name, likeness in _likenesses(values, usual):
            if np.isfinite(likeness).all() and _fault(likeness, usual) is None:
                return f"{fault}; it looks like one {name}"
    return fault


def _fault(camera: np.ndarray, usual: Orbit) -> str | None:
    """Return the first thing that no camera in front of a head has."""
    pose, intrinsics = _unpack(camera)
    rotation, position = pose[:3, :3], pose[:3, 3]
    # Written so that what overflows is a fault as well: nothing compares with NaN.
    if not np.abs(pose[3] - (0, 0, 0, 1)).max() <= _ROTATION_ERROR:
        return f"has {_shown(pose[3])} in place of 0, 0, 0, 1 in the last row of its matrix"
    if not np.abs(rotation.T @ rotation - np.eye(3)).max() <= _ROTATION_ERROR:
        return "has no rotation in its matrix: the columns are not of length 1 and at right angles"
    if np.linalg.det(rotation) < 0:
        return "mirrors: the determinant of its rotation is -1"
    return _intrinsics_fault(intrinsics) or _view_fault(rotation, position, intrinsics, usual)


def _depth_fault(camera: np.ndarray, usual: Orbit, ray_range: tuple[float, float]) -> str | None:
    """Return whether a head would lie before or behind what is sampled of the rays."""
    distance = float(np.linalg.norm(_unpack(camera)[0][:3, 3]))
    near = min(ray_range[0] + _BEFORE * usual.head_scale, usual.radius)
    far = max(ray_range[1] - _BEHIND * usual.head_scale, usual.radius)
    if near * (1 - _ROUNDING) <= distance <= far * (1 + _ROUNDING):
        return None
    return (
        f"is {distance:.3g} from the origin, and this generator samples its rays between "
        f"{ray_range[0]:.3g} and {ray_range[1]:.3g}, so that it shows heads whole from "
        f"{near:.3g} to {far:.3g} alone; its own cameras stand at {usual.radius:g}: move the "
        "camera there along its axis, and change the focal length in the same proportion"
    )


def _intrinsics_fault(intrinsics: np.ndarray) -> str | None:
    focal_x, focal_y = intrinsics[0, 0], intrinsics[1, 1]
    lower = [*intrinsics[[1, 2, 2], [0, 0, 1]], intrinsics[2, 2] - 1]
    if not np.abs(lower).max() <= _ROTATION_ERROR or min(focal_x, focal_y) <= 0:
        return "has no matrix of intrinsics [f, 0, cx, 0, f, cy, 0, 0, 1] at its end"
    aspect = focal_x / focal_y
    if not _ASPECT[0] <= aspect <= _ASPECT[1] or abs(intrinsics[0, 1]) > 0.1 * focal_x:
        return f"has intrinsics of no square picture: {_shown(intrinsics[:2])}"
    return None


def _view_fault(
    rotation: np.ndarray, position: np.ndarray, intrinsics: np.ndarray, usual: Orbit
) -> str | None:
    distance, focal = float(np.linalg.norm(position)), float(intrinsics[0, 0])
    if not _DISTANCE[0] <= distance / usual.radius <= _DISTANCE[1]:
        return f"is {distance:.3g} from the origin, where {usual.radius:g} is usual"
    scale = (focal / distance) / (usual.focal / usual.radius)
    if not _SCALE[0] <= scale <= _SCALE[1]:
        return f"has a focal length of {focal:.4g} picture widths, where {usual.focal:g} is usual"
    x, y, depth = rotation.T @ (np.array(usual.pivot) - position)
    if depth <= 0:
        return "looks away from the head"
    u, v, _ = intrinsics @ (x / depth, y / depth, 1)
    if not max(abs(u - 0.5), abs(v - 0.5)) <= _OFF_CENTER:
        return f"does not look at the head: its middle would lie at ({u:.2f}, {v:.2f}) of the crop"
    towards = (position - np.array(usual.pivot)) / np.linalg.norm(position - np.array(usual.pivot))
    if np.degrees(np.arctan2(np.hypot(towards[0], towards[1]), towards[2])) > _BEHIND_DEG:
        return "stands behind the head"
    if abs(towards[1]) > np.sin(np.radians(_STEEP_DEG)):
        return "looks at the head from straight above or below"
    if rotation[1, 1] > -np.cos(np.radians(_ROLL_DEG)):
        return "shows the head upside down"
    return None


def _likenesses(camera: np.ndarray, usual: Orbit) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what a camera could be, with the same camera in EG3D's convention."""
    pose, intrinsics = _unpack(camera)
    middle = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    turned, flipped = np.diag([-1.0, -1.0, 1.0, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0])
    readings: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "with the axes of OpenGL (set ingest.camera_convention: opengl)": lambda: (
            pose @ OPENGL_AXES, intrinsics,
        ),
        "from world to camera (set ingest.camera_convention: w2c)": lambda: (
            _inverse(pose), intrinsics,
        ),
        "from world to camera with the axes of OpenGL": lambda: (
            _inverse(OPENGL_AXES @ pose), intrinsics,
        ),
        "with columns first": lambda: (pose.T, intrinsics),
        "with columns first and the axes of OpenGL": lambda: (pose.T @ OPENGL_AXES, intrinsics),
        "with all columns first, intrinsics too": lambda: (pose.T, intrinsics.T),
        "with its intrinsics before the pose": lambda: (
            camera[9:].reshape(4, 4), camera[:9].reshape(3, 3),
        ),
        "with intrinsics in pixels, not in picture widths": lambda: (
            pose, _per_width(intrinsics),
        ),
        "with a principal point of (0, 0) for the middle": lambda: (pose, intrinsics + middle),
        "with a scale in its rotation": lambda: (_unscaled(pose), intrinsics),
        "with a mirrored world": lambda: (flipped @ pose, intrinsics),
        "with a mirrored rotation": lambda: (_turned(flipped @ pose, pose), intrinsics),
        "with a mirrored picture": lambda: (pose @ flipped, intrinsics),
        "with its y axis up": lambda: (pose @ np.diag([1.0, -1.0, 1.0, 1.0]), intrinsics),
        "turned by half a turn about its axis": lambda: (pose @ turned, intrinsics),
        "in another unit of length": lambda: (_at_distance(pose, usual.radius), intrinsics),
    }  # fmt: skip
    for name, read in readings.items():
        yield name, _pack(*read())


def _per_width(intrinsics: np.ndarray) -> np.ndarray:
    return np.concatenate([intrinsics[:2] / (2 * intrinsics[:2, 2:3]), intrinsics[2:]])


def _turned(rotated: np.ndarray, pose: np.ndarray) -> np.ndarray:
    return np.concatenate([rotated[:, :3], pose[:, 3:]], axis=1)


def _unscaled(pose: np.ndarray) -> np.ndarray:
    scaled = pose.copy()
    scaled[:3, :3] /= np.cbrt(np.linalg.det(pose[:3, :3]))
    return scaled


def _at_distance(pose: np.ndarray, radius: float) -> np.ndarray:
    moved = pose.copy()
    moved[:3, 3] *= radius / np.linalg.norm(pose[:3, 3])
    return moved


def _inverse(pose: np.ndarray) -> np.ndarray:
    """Return the inverse of a rigid motion, exact to rounding."""
    inverse = np.eye(4)
    inverse[:3, :3] = pose[:3, :3].T
    inverse[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    inverse[3] = pose[3]
    return inverse


def _unpack(camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(camera, dtype=np.float64).reshape(-1)
    if values.size != CAMERA_DIM:
        raise InvalidArgumentError(
            "camera", expected=f"{CAMERA_DIM} numbers", actual=f"{values.size}"
        )
    return values[:16].reshape(4, 4), values[16:].reshape(3, 3)


def _pack(pose: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    return np.concatenate([pose.reshape(-1), intrinsics.reshape(-1)])


def _shown(values: np.ndarray) -> str:
    return ", ".join(f"{value:.3g}" for value in values.reshape(-1))
