"""The head of a person as tables for `head_sdf`: ellipsoids, bumps, scalars.

Sculpted, not measured: a smooth union of about eleven ellipsoids, minus some forty signed Gaussian
bumps (brow ridge, sockets, lips, folds, wrinkles), with nose, ears and lids blended on, eye and
mouth openings carved, and hair, cloth, teeth and glasses as groups of their own. Units: head units.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from itportrait.portraits.head_sdf import Head
from itportrait.portraits.head_sdf.reference import (
    Bumps,
    EllipsoidGroup,
    HeadScalars,
    HeadTables,
)
from itportrait.portraits.prior import Traits
from itportrait.portraits.style import Style

WORLD_SCALE = 0.270
"""Length of a head unit in world units."""
WORLD_OFFSET = (0.0, 0.075, 0.017)
"""Where the head's origin lies in the world. Both are fitted, so that the five face points which
MTCNN finds in renders lie, on average, where aligned photos have them."""


@dataclass(frozen=True)
class Blob:
    """An ellipsoid or a bump: center and radii in head units, turned about x, y, z by radians."""

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    amplitude: float = 0.0

    def mirrored(self) -> "Blob":
        """Return its mirror image in x."""
        (x, y, z), (a, b, c) = self.center, self.turn
        return Blob((-x, y, z), self.radii, (a, -b, -c), self.amplitude)

    def pair(self) -> "list[Blob]":
        """Return the blob and its mirror image."""
        return [self, self.mirrored()]

    def axes(self) -> np.ndarray:
        """Return the rotation `[3, 3]` from the head's axes to the blob's."""
        (ax, ay, az) = self.turn
        cx, sx, cy, sy, cz, sz = (f(a) for a in (ax, ay, az) for f in (math.cos, math.sin))
        about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
        about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        about_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
        return about_x @ about_y @ about_z

    def quadratic(self, power: int) -> np.ndarray:
        """Return the ten coefficients of |scaled point|^2 with radii to the given power."""
        m = np.diag(np.asarray(self.radii, dtype=np.float64) ** -power) @ self.axes()
        q, c = m.T @ m, np.asarray(self.center, dtype=np.float64)
        b = -2 * q @ c
        cross = (2 * q[0, 1], 2 * q[0, 2], 2 * q[1, 2])
        return np.array([q[0, 0], q[1, 1], q[2, 2], *cross, *b, c @ q @ c])

    @property
    def bounds(self) -> tuple[float, ...]:
        """Center and largest radius, which bound the blob."""
        return (*self.center, max(self.radii))


def _ball(center: tuple[float, float, float], radius: float) -> Blob:
    return Blob(center, (radius, radius, radius))


def _group(blobs: list[Blob], sharpness: float) -> EllipsoidGroup:
    shape = np.stack([blob.quadratic(1) for blob in blobs], 1)
    gradient = np.stack([blob.quadratic(2) for blob in blobs], 1)
    bounds = np.array([blob.bounds for blob in blobs])
    return EllipsoidGroup(_tensor(shape), _tensor(gradient), _tensor(bounds), sharpness)


def _bumps(blobs: list[Blob]) -> Bumps:
    shape = np.stack([blob.quadratic(1) for blob in blobs], 1)
    amplitude = np.array([blob.amplitude for blob in blobs])
    return Bumps(*map(_tensor, (shape, amplitude, np.array([blob.bounds for blob in blobs]))))


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


@dataclass(frozen=True)
class Proportions:
    """Places and sizes of the parts of a face, which shape, materials and landmarks share."""

    width: float
    jaw: float
    chin: float
    eye: tuple[float, float, float]
    eye_half_width: float
    eye_radius: float
    eye_upper: float
    eye_lower: float
    eye_tilt: float
    brow_height: float
    brow_slope: float
    nose_tip: tuple[float, float, float]
    mouth_y: float
    mouth_half_width: float
    lip: float
    hairline: float
    hair_thickness: float

    @classmethod
    def of(cls, t: Traits, style: Style) -> "Proportions":
        """Derive the proportions from traits and style."""
        big, young = style.eye_scale, 1 - t.age
        chin = 0.05 * t.chin + 0.03 * t.masculine
        bald = 1.0 if style.hairless else t.bald
        volume = 0.05 + 0.09 * t.hair_volume + 0.09 * t.curl * t.hair_volume
        return cls(
            width=1 + 0.06 * t.face_width + 0.02 * t.masculine,
            jaw=1 + 0.12 * t.jaw_width + 0.09 * t.masculine,
            chin=chin,
            eye=(0.318 + 0.016 * t.eye_space + 0.03 * (big - 1), 0.05, 0.525 - 0.03 * (big - 1)),
            eye_half_width=big * (0.178 + 0.014 * t.eye_size + 0.014 * young - 0.008 * t.masculine),
            eye_radius=0.190 * (1 + 0.55 * (big - 1)) * (1 + 0.04 * t.eye_size),
            eye_upper=(0.094 + 0.020 * t.eye_open + 0.012 * young - 0.010 * t.smile)
            * big
            * style.eye_open_scale,
            eye_lower=(0.070 - 0.014 * t.smile) * big,
            eye_tilt=0.16 * t.eye_tilt + 0.05,
            brow_height=0.275 + 0.035 * t.brow_height + 0.02 * t.eye_open + 0.06 * (big - 1),
            brow_slope=0.13 * t.brow_angle + 0.05 * t.masculine - 0.03,
            nose_tip=(
                0.0,
                -0.212 - 0.035 * t.nose_length - 0.015 * t.age,
                0.955 + 0.030 * t.nose_length + 0.03 * t.nose_bridge,
            ),
            mouth_y=-0.655 - 0.01 * t.nose_length - 0.015 * chin,
            mouth_half_width=(0.236 + 0.026 * t.mouth_width) * (1 + 0.20 * t.smile),
            lip=(0.062 + 0.022 * t.lips + 0.012 * t.melanin) * (1 - 0.12 * t.age),
            hairline=0.68 + 0.20 * t.recede - 0.02 * t.masculine,
            hair_thickness=volume * (1 - bald) - 0.12 * bald,
        )


def face_landmarks(head: Head, p: Proportions) -> np.ndarray:
    """Return eyes, nose tip and mouth corners `[5, 3]` in head units (image-left ones first)."""
    x, y, z = p.eye
    eye_y = y + 0.3 * (p.eye_upper - p.eye_lower)
    eye_z = z + 0.9 * p.eye_radius
    s = head.scalars
    corner_y = s.mouth_y + 0.085 * s.smile
    corner = (p.mouth_half_width, corner_y, s.mouth_z - 0.08)
    tip = (0.0, p.nose_tip[1] + 0.01, p.nose_tip[2] + 0.085)
    return np.array([(-x, eye_y, eye_z), (x, eye_y, eye_z), tip, (-corner[0], *corner[1:]), corner])


def build_head(t: Traits, style: Style, p: Proportions) -> Head:
    """Sculpt the head of the given traits."""
    skull = _group(_head_blobs(t, p), 13)
    bumps = _bumps(_face_bumps(t, p) + _mouth_bumps(t, p) + _age_bumps(t) + _style_bumps(style))
    # two low buns, not one on the crown: an aligned photo is cut right above the crown
    bun = Blob((0.72 * p.width + 0.6 * p.hair_thickness, 0.52, -0.06), (0.27, 0.26, 0.26))
    ellipsoids = {
        "head": skull,
        "nose": _group(_nose_blobs(t, style, p), 26),
        "ears": _group(_ear_blobs(t, style, p), 20),
        "lids": _group(_ball(p.eye, p.eye_radius + 0.028).pair(), 40),
        "eyes": _group(_ball(p.eye, p.eye_radius).pair(), 200),
        "hair": _group(_hair_blobs(t, style, p), 16),
        "bun": _group(bun.pair(), 16),
        "torso": _group(_torso_blobs(t), 10),
        "neck_hole": _group([Blob((0, -1.22, 0.02), (0.52 + 0.08 * t.masculine, 0.40, 0.56))], 10),
    }
    return Head(HeadTables(ellipsoids, bumps, _scalars(t, style, p, skull, bumps)))


def _scalars(
    t: Traits, style: Style, p: Proportions, skull: EllipsoidGroup, bumps: Bumps
) -> HeadScalars:
    bald = 1.0 if style.hairless else t.bald
    return HeadScalars(
        eye_x=p.eye[0],
        eye_y=p.eye[1],
        eye_z=p.eye[2],
        eye_half_width=p.eye_half_width,
        eye_upper=p.eye_upper,
        eye_lower=p.eye_lower,
        eye_tilt_cos=math.cos(p.eye_tilt),
        eye_tilt_sin=math.sin(p.eye_tilt),
        mouth_y=p.mouth_y,
        mouth_half_width=p.mouth_half_width,
        smile=t.smile,
        mouth_open=t.mouth_open,
        mouth_z=_front_of(skull, bumps, p.mouth_y),
        hairline=p.hairline,
        fringe=t.fringe * (1 - min(1.0, t.recede)),
        part=t.part,
        curl=t.curl,
        hair_volume=t.hair_volume,
        bald=bald,
        hair_taper=min(0.16, max(0.0, p.hair_thickness)) + 0.02,
        glasses=t.glasses,
        glasses_z=p.eye[2] + p.eye_radius + 0.185,
        glasses_temple_x=0.515 * p.width + 0.01,
        frame_radius=0.034,
        # half a bun is seen already: the names of attributes begin there
        bun=0.0 if t.bun < 0.02 or style.hairless else 1 - (1 - t.bun) ** 2,
        strands=0.8,
    )


def _front_of(skull: EllipsoidGroup, bumps: Bumps, y: float) -> float:
    """Return the z of the skin on the middle line at height `y`."""
    z = torch.linspace(0.5, 1.2, 141)
    one, zero = torch.ones_like(z), torch.zeros_like(z)
    features = torch.stack([zero, y * y * one, z * z, zero, zero, y * z, zero, y * one, z, one], 1)
    inside = torch.nonzero(skull.distance(features) - bumps.height(features) < 0)
    return float(z[inside.max()]) if len(inside) else 0.8


def _head_blobs(t: Traits, p: Proportions) -> list[Blob]:
    w, j, m = p.width, p.jaw, t.masculine
    return [
        Blob((0, 0.23, -0.10), (0.70 * w, 0.69, 0.84)),
        Blob((0, 0.03, 0.18), (0.61 * w, 0.72, 0.60)),
        Blob((0, -0.50, 0.20), (0.44 * w * j, 0.46, 0.55)),
        Blob((0, -0.86 - p.chin, 0.54), (0.20 * j, 0.17, 0.20)),
        Blob((0, -1.40, -0.14), (0.385 + 0.07 * m, 0.95, 0.40 + 0.05 * m), (0.12, 0, 0)),
        Blob((0, -2.10, -0.22), (1.38 + 0.15 * m, 0.68, 0.55)),
        Blob((0, -1.52, -0.2), (0.62 + 0.1 * m, 0.3, 0.4)),
        *Blob(
            (0.31 * w, -0.34, 0.44), (0.25 + 0.035 * t.cheek, 0.27, 0.26 + 0.03 * t.cheek)
        ).pair(),
        *Blob((0.33 * j, -0.62, 0.20), (0.16 + 0.02 * m, 0.22, 0.26)).pair(),
    ]


def _nose_blobs(t: Traits, style: Style, p: Proportions) -> list[Blob]:
    w, k = 1 + 0.20 * t.nose_width + 0.11 * t.melanin, style.nose_scale
    _, y, z = p.nose_tip
    bridge = Blob(
        (0, y + 0.19, z - 0.145 + 0.02 * t.nose_bridge),
        (0.070 * w, 0.34, 0.11),
        (-0.38 - 0.05 * t.nose_length, 0, 0),
    )
    return [
        bridge,
        Blob(p.nose_tip, (0.082 * w * k, 0.080 * k, 0.095 * k)),
        Blob((0, y - 0.04, z - 0.085), (0.07 * w, 0.05, 0.14)),
        *Blob((0.085 * w * k, y - 0.03, z - 0.085), (0.054 * w * k, 0.056 * k, 0.085 * k)).pair(),
    ]


def _ear_blobs(t: Traits, style: Style, p: Proportions) -> list[Blob]:
    tall = 1 + 0.15 * t.ears + 0.08 * t.age
    shell = Blob(
        (0.715 * p.width, -0.08, -0.06), (0.075, 0.215 * tall, 0.145 * tall * style.ear_scale),
        (0, 0.45, -0.12),
    )  # fmt: skip
    if style.ear_point:
        tip = Blob(
            (0.82 * p.width, 0.16, -0.14), (0.05, 0.30 * style.ear_point, 0.09), (0, 0, -0.42)
        )
        return [*shell.pair(), *tip.pair()]
    return [*shell.pair(), *Blob((0.70 * p.width, -0.26, -0.02), (0.06, 0.085 * tall, 0.08)).pair()]


def _face_bumps(t: Traits, p: Proportions) -> list[Blob]:
    """Return brow ridge, sockets, temples, cheek bones and the hollows below them."""
    m, y = t.masculine, p.eye[1]

    def pair(amplitude: float, center: tuple, radii: tuple) -> list[Blob]:
        return Blob(center, radii, amplitude=amplitude).pair()

    return [
        *pair(0.030 + 0.025 * max(m, 0) + 0.01 * m,
              (0.26, p.brow_height - 0.03, 0.72), (0.22, 0.075, 0.25)),
        *pair(-0.115, (0.31, y + 0.04, 0.70), (0.18, 0.13, 0.22)),
        *pair(-0.050, (0.12, y + 0.07, 0.78), (0.09, 0.16, 0.2)),
        *pair(-0.030, (0.66, 0.20, 0.25), (0.18, 0.3, 0.3)),
        *pair(0.050 + 0.02 * t.cheek, (0.40, -0.24, 0.62), (0.17, 0.12, 0.25)),
        *pair(-0.040 * (0.2 + t.age) * (1 - 0.5 * t.cheek), (0.42, -0.52, 0.55), (0.13, 0.17, 0.3)),
        *pair(0.035 * max(t.smile, 0), (0.36, -0.36, 0.66), (0.14, 0.12, 0.2)),
        Blob((0, -0.94 - p.chin, 0.72), (0.15, 0.11, 0.2), amplitude=0.05 + 0.03 * m),
    ]  # fmt: skip


def _mouth_bumps(t: Traits, p: Proportions) -> list[Blob]:
    y, w, lip, opened = p.mouth_y, p.mouth_half_width, p.lip, t.mouth_open
    return [
        Blob((0, y + 0.02, 0.80), (0.23, 0.17, 0.25), amplitude=0.035),
        Blob((0, y - 1.35 * lip - 0.065, 0.80), (0.20, 0.05, 0.2), amplitude=-0.05),
        Blob((0, y + 0.135, 0.87), (0.030, 0.05, 0.1), amplitude=-0.020),
        Blob((0, y - 0.052 - 0.030 * opened, 0.85), (0.72 * w, 0.85 * lip, 0.14),
             amplitude=0.055 + 0.075 * lip),
        *Blob((0.33 * w, y + 0.045 + 0.02 * opened, 0.86), (0.48 * w, 0.62 * lip, 0.14),
              (0, 0, -0.12), 0.045).pair(),
        *Blob((1.02 * w, y + 0.055 * t.smile + 0.01, 0.74), (0.045, 0.045, 0.14),
              amplitude=-0.030).pair(),
    ]  # fmt: skip


def _age_bumps(t: Traits) -> list[Blob]:
    """Return folds beside the mouth, bags below the eyes, and wrinkles that come with age."""
    lines = max(0.0, t.age - 0.3) / 0.7
    fold = -0.008 - 0.030 * t.age - 0.020 * max(t.smile, 0)
    blobs = [
        *Blob((0.27 + 0.05 * t.smile, -0.49, 0.75), (0.028, 0.15, 0.2), (0, 0, 0.55), fold).pair(),
        *Blob((0.30, -0.125, 0.72), (0.13, 0.04, 0.16), amplitude=0.018 * t.age + 0.002).pair(),
        *Blob((0.30, -0.175, 0.72), (0.14, 0.025, 0.16), amplitude=-0.018 * t.age - 0.002).pair(),
        *Blob((0.34, -0.80, 0.55), (0.03, 0.14, 0.2), (0, 0, 0.2), -0.016 * lines).pair(),
        *Blob((0.55, 0.03, 0.55), (0.06, 0.012, 0.2), (0, 0, 0.3), -0.014 * lines).pair(),
    ]
    for row, y in enumerate((0.42, 0.50, 0.58)):
        center = (0.02 * (row - 1), y, 0.75)
        blobs.append(Blob(center, (0.36, 0.015, 0.3), amplitude=-0.013 * lines))
    return blobs


def _style_bumps(style: Style) -> list[Blob]:
    blobs = []
    for amplitude, center, radii, mirrored in style.bumps:
        blob = Blob(center, radii, amplitude=amplitude)
        blobs += blob.pair() if mirrored else [blob]
    return blobs


def _hair_blobs(t: Traits, style: Style, p: Proportions) -> list[Blob]:
    """Return a shell around the skull, volume in front, and sides and a back of longer hair."""
    bald = 1.0 if style.hairless else t.bald
    length, volume, thick, w = t.hair_length * (1 - bald), t.hair_volume, p.hair_thickness, p.width
    top = 0.17 + 0.8 * max(thick, 0) * (1 - 0.3 * length)
    blobs = [
        Blob((0, 0.26, -0.12), (0.70 * w + thick, 0.69 + thick, 0.85 + 0.9 * thick)),
        Blob((0.10 * t.part, 0.64 + 0.4 * thick - 0.5 * bald, 0.30), (0.42, top, 0.36)),
    ]
    if length > 0.02:
        reach, grown = 0.15 + 1.6 * length, min(1.0, length / 0.35)
        lean = 0.08 * length + 0.05 * t.curl
        side = (0.13 + 0.06 * volume + 0.07 * t.curl) * (0.35 + 0.65 * grown)
        blobs += Blob(
            ((0.61 + 0.02 * grown) * w + 0.35 * thick, 0.28 - 0.55 * reach, -0.24),
            (side, 0.26 + 0.55 * reach, 0.30 + 0.12 * length),
            (0, 0, lean),
        ).pair()
        back = (0.58 * w + 0.10 * volume, 0.40 + 0.5 * reach, 0.34)
        blobs.append(Blob((0, 0.15 - 0.5 * reach, -0.52), back))
    return blobs


def _torso_blobs(t: Traits) -> list[Blob]:
    m = t.masculine
    return [
        Blob((0, -2.14, -0.22), (1.45 + 0.15 * m, 0.74, 0.62)),
        Blob((0, -1.59, -0.2), (0.70 + 0.1 * m, 0.33, 0.48)),
    ]
