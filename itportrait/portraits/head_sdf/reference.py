"""Distance function of the procedural head in plain PyTorch: the definition of the native op.

A head is a union of six groups (`GROUPS`). Every primitive, ellipsoid or Gaussian bump, is a
quadratic form in the ten features (x², y², z², xy, xz, yz, x, y, z, 1) of a point, so that a group
is one matrix product and a few pointwise functions. Units: head units, chin to crown about 2, x to
the person's left (image right in a frontal view), y up, z out of the face.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

GROUPS = ("skin", "eyes", "hair", "cloth", "teeth", "glasses")
ELLIPSOID_GROUPS = ("head", "nose", "ears", "lids", "eyes", "hair", "bun", "torso", "neck_hole")

FAR = 1000.0
"""Distance of a group that a head does not have."""
BUMP_REACH = (0.45, 0.30)
"""Distances from the smooth head at which the bumps are gone, and at which they are full."""
STRAND_REACH = (0.25, 0.15)
"""Distances from the hair at which the strands' relief is gone, and at which it is full."""


@dataclass(frozen=True)
class EllipsoidGroup:
    """Ellipsoids united by a log-sum-exp of their distances.

    Attributes:
        shape: `[10, n]`; features @ shape = squared scaled radius.
        gradient: `[10, n]`; features @ gradient = squared length of its gradient's half.
        bounds: `[n, 4]` center and largest radius of each.
        sharpness: k of the log-sum-exp; larger is a sharper seam.
    """

    shape: Tensor
    gradient: Tensor
    bounds: Tensor
    sharpness: float

    def distance(self, features: Tensor) -> Tensor:
        """Return the approximate signed distance `[N]` for features `[N, 10]`."""
        radius = (features @ self.shape).clamp_min(1e-8).sqrt()
        slope = (features @ self.gradient).clamp_min(1e-8).sqrt()
        each = radius * (radius - 1) / slope
        return torch.logsumexp(-self.sharpness * each, 1) / -self.sharpness


@dataclass(frozen=True)
class Bumps:
    """Signed anisotropic Gaussians that are subtracted from the head's distance.

    Attributes:
        shape: `[10, n]`; a bump is `amplitude * exp(-features @ shape)`.
        amplitude: `[n]`, head units; a positive one raises the skin.
        bounds: `[n, 4]` center and largest radius of each.
    """

    shape: Tensor
    amplitude: Tensor
    bounds: Tensor

    def height(self, features: Tensor) -> Tensor:
        """Return the summed relief `[N]` for features `[N, 10]`."""
        return torch.exp(-(features @ self.shape)) @ self.amplitude


@dataclass(frozen=True)
class HeadScalars:
    """The numbers that place what is not an ellipsoid, in the order of `enum Scalar` in head.h."""

    eye_x: float
    eye_y: float
    eye_z: float
    eye_half_width: float
    eye_upper: float
    eye_lower: float
    eye_tilt_cos: float
    eye_tilt_sin: float
    mouth_y: float
    mouth_half_width: float
    smile: float
    mouth_open: float
    mouth_z: float
    hairline: float
    fringe: float
    part: float
    curl: float
    hair_volume: float
    bald: float
    hair_taper: float
    glasses: float
    glasses_z: float
    glasses_temple_x: float
    frame_radius: float
    bun: float
    strands: float


SCALARS = tuple(field.name for field in fields(HeadScalars))


@dataclass(frozen=True)
class HeadTables:
    """All that describes one head; the ellipsoid groups are named as in `ELLIPSOID_GROUPS`."""

    ellipsoids: dict[str, EllipsoidGroup]
    bumps: Bumps
    scalars: HeadScalars


def point_features(points: Tensor) -> Tensor:
    """Return the ten features `[N, 10]` of points `[N, 3]`."""
    x, y, z = points.unbind(1)
    return torch.stack([x * x, y * y, z * z, x * y, x * z, y * z, x, y, z, torch.ones_like(x)], 1)


def smooth_min(a: Tensor, b: Tensor, k: float) -> Tensor:
    """Return the polynomial smooth minimum with blend width `k`."""
    h = (0.5 + 0.5 * (b - a) / k).clamp(0, 1)
    return b + (a - b) * h - k * h * (1 - h)


def smooth_max(a: Tensor, b: Tensor, k: float) -> Tensor:
    """Return the polynomial smooth maximum with blend width `k`."""
    return -smooth_min(-a, -b, k)


def smoothstep(low: float, high: float, x: Tensor) -> Tensor:
    """Return the cubic step from 0 at `low` to 1 at `high` (which may be the smaller)."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def eye_coordinates(points: Tensor, s: HeadScalars) -> tuple[Tensor, Tensor]:
    """Return (outward, upward) coordinates `[N]` in the plane of the nearer eye's opening."""
    u, v = points[:, 0].abs() - s.eye_x, points[:, 1] - s.eye_y
    return u * s.eye_tilt_cos + v * s.eye_tilt_sin, -u * s.eye_tilt_sin + v * s.eye_tilt_cos


def eye_opening(points: Tensor, s: HeadScalars) -> Tensor:
    """Return the signed distance `[N]` to the almond between the lids, negative inside."""
    u, v = eye_coordinates(points, s)
    a = u / s.eye_half_width
    arch = 1 - a * a
    upper, lower = s.eye_upper * arch * (1 - 0.18 * a), -s.eye_lower * arch * (1 + 0.25 * a)
    inside = torch.maximum(v - upper, lower - v)
    beside = torch.maximum(inside, (a.abs() - 1) * s.eye_half_width)
    return torch.where(a.abs() > 1, beside, inside) * 0.8


def mouth_line(x: Tensor, s: HeadScalars) -> Tensor:
    """Return the height `[N]` of the line between the lips at `x`."""
    a = x / s.mouth_half_width
    return s.mouth_y + 0.085 * s.smile * a * a - 0.012 * torch.exp(-((4 * a) ** 2))


def mouth_opening(points: Tensor, s: HeadScalars) -> Tensor:
    """Return the signed distance `[N]` to the gap between the lips, negative inside."""
    x = points[:, 0]
    a = x / s.mouth_half_width
    v, arch = points[:, 1] - mouth_line(x, s), 1 - a * a
    upper, lower = (0.004 + 0.045 * s.mouth_open) * arch, -(0.004 + 0.085 * s.mouth_open) * arch
    inside = torch.maximum(v - upper, lower - v)
    beside = torch.maximum(inside, (a.abs() - 1) * s.mouth_half_width)
    return torch.where(a.abs() > 1, beside, inside)


def _skin(points: Tensor, features: Tensor, head: HeadTables) -> Tensor:
    s, groups = head.scalars, head.ellipsoids
    distance = groups["head"].distance(features)
    fade = smoothstep(*BUMP_REACH, distance)
    distance = distance - head.bumps.height(features) * fade
    distance = smooth_min(distance, groups["nose"].distance(features), 0.085)
    distance = smooth_min(distance, groups["ears"].distance(features), 0.05)
    distance = smooth_min(distance, groups["lids"].distance(features), 0.06)
    eye = smooth_max(eye_opening(points, s), s.eye_z - points[:, 2], 0.01)
    distance = smooth_max(distance, -eye, 0.012)
    mouth = torch.maximum(mouth_opening(points, s), s.mouth_z - 0.16 - points[:, 2])
    return smooth_max(distance, -mouth, 0.012)


def strand_relief(points: Tensor, s: HeadScalars) -> Tensor:
    """Return the relief `[N]` of strands and curls on the hair, head units."""
    x, y, z = points.unbind(1)
    turn = torch.atan2(
        x - 0.25 * s.part * smoothstep(0.3, 0.9, y), z + 0.10 + 0.25 * smoothstep(0.5, 1.0, y)
    )
    straight = 0.016 * torch.sin(turn * 13 + 2 * torch.sin(y * 3.1 + 1.3) + 2 * s.part)
    straight = straight + 0.010 * torch.sin(turn * 27 + 3 * torch.sin(y * 4.3 + x * 2))
    k = 8.0
    curls = torch.sin(k * x + 2 * torch.sin(k * 0.5 * y))
    curls = curls * torch.sin(k * y + 1.5 * torch.sin(k * 0.6 * z)) * torch.sin(k * z + 1.7)
    relief = straight * (1 - 0.7 * s.curl) + 0.075 * s.curl * curls
    return relief * s.strands * (1 - s.bald)


def hairline_height(x: Tensor, s: HeadScalars) -> Tensor:
    """Return the height `[N]` of the hairline (or of the fringe's tips) at `x`."""
    shifted = x - 0.18 * s.part
    height = s.hairline - 0.30 * (shifted / 0.6) ** 2
    window = torch.exp(-((1.5 * x) ** 4))
    gap = 0.55 if abs(s.part) > 0.2 else 0.0
    window = window * (1 - gap * torch.exp(-(((x - 0.28 * s.part) / 0.12) ** 2)))
    tips = 0.34 + 0.05 * torch.sin(x * 23 + s.part * 5)
    return height - s.fringe * tips * window + s.part * 0.14 * x * s.fringe


def _hair(points: Tensor, features: Tensor, head: HeadTables) -> Tensor:
    s = head.scalars
    y, z = points[:, 1], points[:, 2]
    distance = head.ellipsoids["hair"].distance(features)
    bun = head.ellipsoids["bun"].distance(features) + 0.6 * (1 - s.bun)
    distance = smooth_min(distance, bun, 0.05)
    distance = distance - strand_relief(points, s) * smoothstep(*STRAND_REACH, distance)
    below = y - hairline_height(points[:, 0], s)
    front = 0.16 + 0.03 * s.hair_volume + 0.22 * smoothstep(0.1, 0.7, y) - z
    face = smooth_max(below, front, 0.16)
    taper = s.hair_taper * torch.exp(-((face / 0.16) ** 2)) * (1 - 0.75 * s.fringe)
    distance = distance + taper * smoothstep(-0.1, 0.3, y)
    return smooth_max(distance, -face, 0.09)


def _cloth(points: Tensor, features: Tensor, head: HeadTables) -> Tensor:
    torso = head.ellipsoids["torso"].distance(features)
    distance = smooth_max(torso, -head.ellipsoids["neck_hole"].distance(features), 0.03)
    return distance + 0.006 * torch.sin(points[:, 0] * 6 + points[:, 1] * 9)


def _teeth(points: Tensor, s: HeadScalars) -> Tensor:
    x, y, z = points.unbind(1)
    scaled = (x / 0.26) ** 2 + ((y - s.mouth_y - 0.02) / 0.15) ** 2
    scaled = scaled + ((z - (s.mouth_z - 0.30)) / 0.23) ** 2
    return (scaled.clamp_min(1e-8).sqrt() - 1) * 0.15


def _glasses(points: Tensor, s: HeadScalars) -> Tensor:
    x, y, z = points[:, 0].abs(), points[:, 1], points[:, 2]
    u, v = x - s.eye_x - 0.005, y - s.eye_y + 0.02
    lens_u, lens_v = (u.abs() - 0.120).clamp_min(0), (v.abs() - 0.068).clamp_min(0)
    rim = torch.sqrt(lens_u**2 + lens_v**2) - 0.105
    depth = z - (s.glasses_z - 0.70 * (x - 0.1).clamp_min(0) ** 2)
    frame = torch.sqrt(rim**2 + depth**2) - s.frame_radius
    bridge = torch.sqrt((v - 0.05) ** 2 + (depth - 0.01) ** 2) - 0.85 * s.frame_radius
    bridge = torch.maximum(bridge, x - (s.eye_x - 0.215))
    side = x - (s.glasses_temple_x + 0.19 * (0.75 - z).clamp(0, 1))
    temple = torch.sqrt(side**2 + (v - 0.06) ** 2) - 0.80 * s.frame_radius
    temple = torch.maximum(temple, torch.maximum(z - (s.glasses_z - 0.10), -0.05 - z))
    return torch.minimum(torch.minimum(frame, bridge), temple) + 0.06 * (1 - s.glasses)


def head_distance_reference(points: Tensor, head: HeadTables) -> Tensor:
    """Return the signed distances of points to the groups of a head.

    Args:
        points: `[N, 3]` float32, head units.
        head: the head's tables, on the device of `points`.

    Returns:
        `[N, 6]` in the order of `GROUPS`, head units, negative inside, `FAR` for a group that is
        not worn. It is not the exact distance, but 0.9 times it never passes the surface.
    """
    features, s = point_features(points), head.scalars
    glasses = _glasses(points, s) if s.glasses > 0.05 else torch.full_like(points[:, 0], FAR)
    return torch.stack(
        [
            _skin(points, features, head),
            head.ellipsoids["eyes"].distance(features),
            _hair(points, features, head),
            _cloth(points, features, head),
            _teeth(points, s),
            glasses,
        ],
        1,
    )
