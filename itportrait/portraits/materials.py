"""Materials of the surface: painted skin, eyes, hair, cloth, teeth and glasses."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.portraits.colors import (
    Face,
    cloth_color,
    hair_color,
    hsv,
    iris_color,
    mix,
    mottle,
    skin_color,
)
from itportrait.portraits.head_sdf import GROUPS
from itportrait.portraits.head_sdf.reference import (
    eye_coordinates,
    eye_opening,
    hairline_height,
    mouth_line,
    point_features,
    smoothstep,
)

SKIN, EYES, HAIR, CLOTH, TEETH, GLASSES = range(len(GROUPS))


@dataclass
class Material:
    """What shading needs of `n` surface points.

    Attributes:
        albedo: `[n, 3]` color.
        specular: `[n]` strength of the highlight.
        gloss: `[n]` exponent of the highlight; larger is smaller and sharper.
        softness: `[n]` how far light bleeds through; 1 is skin, 0 lets none through.
    """

    albedo: Tensor
    specular: Tensor
    gloss: Tensor
    softness: Tensor

    def polish(self, **values: float) -> None:
        """Give all points the same `specular`, `gloss` or `softness`."""
        for name, value in values.items():
            setattr(self, name, torch.full_like(getattr(self, name), value))


def surface_material(face: Face, points: Tensor, group: Tensor) -> Material:
    """Color surface points.

    Args:
        face: the person in a style.
        points: `[n, 3]`, head units.
        group: `[n]` index in `GROUPS` of the group that each point lies on.
    """
    count = len(points)
    material = Material(
        torch.zeros(count, 3), torch.zeros(count), torch.ones(count), torch.zeros(count)
    )
    painters = (_paint_skin, _paint_eyes, _paint_hair, _paint_cloth, _paint_teeth, _paint_glasses)
    for index, paint in enumerate(painters):
        chosen = torch.nonzero(group == index)[:, 0]
        if len(chosen):
            part = paint(face, points[chosen])
            material.albedo[chosen] = part.albedo
            for name in ("specular", "gloss", "softness"):
                getattr(material, name)[chosen] = getattr(part, name)
    material.albedo.clamp_(0, 2)
    return material


def _uniform(albedo: Tensor, specular: float, gloss: float, softness: float) -> Material:
    return Material(albedo, *(torch.full((len(albedo),), v) for v in (specular, gloss, softness)))


def _spot(points: Tensor, x: float, y: float, rx: float, ry: float) -> Tensor:
    """Return a mirrored Gaussian spot `[n]` on the face."""
    return torch.exp(-(((points[:, 0].abs() - x) / rx) ** 2) - ((points[:, 1] - y) / ry) ** 2)


def _paint_skin(face: Face, points: Tensor) -> Material:
    style = face.style
    front = smoothstep(0.2, 0.45, points[:, 2])
    albedo = _complexion(face, points, front)
    albedo = _paint_lids(face, points, front, albedo)
    albedo, brow = _paint_brows(face, points, front, albedo)
    albedo, lip = _paint_lips(face, points, front, albedo)
    albedo, beard = _paint_beard(face, points, albedo, lip)
    albedo = _paint_scalp(face, points, albedo)
    if style.nose is not None:
        _, y, z = face.proportions.nose_tip
        ball = (points - torch.tensor([0.0, y, z])).norm(dim=1)
        albedo = mix(albedo, torch.tensor(style.nose), smoothstep(0.165, 0.145, ball))
    shine = (
        0.20 + 0.25 * lip * (0.4 + face.traits.makeup) + 0.10 * _spot(points, 0, -0.34, 0.1, 0.12)
    )
    specular = shine * (1 - 0.7 * beard) * (1 - 0.8 * brow)
    return Material(albedo, specular, 18 + 30 * lip, torch.ones_like(specular))


def _complexion(face: Face, points: Tensor, front: Tensor) -> Tensor:
    """Return the skin with blush, the shade below the eyes, mottle, freckles and stains."""
    t, style = face.traits, face.style
    x, y = points[:, 0].abs(), points[:, 1]
    blush = 0.7 * _spot(points, 0.36, -0.33, 0.17, 0.13) * (0.6 + 0.6 * t.makeup)
    blush = (
        blush
        + 0.6 * _spot(points, 0, -0.36, 0.13, 0.10)
        + 0.15 * _spot(points, 0, -0.88, 0.15, 0.1)
    )
    blush = (blush + 0.3 * smoothstep(0.62, 0.75, x) * (y > -0.5)) * front.clamp_min(0.3)
    blush = blush * 0.20 * (1 - 0.6 * t.melanin) * style.redness
    albedo = skin_color(face) * (1 - blush[:, None] * torch.tensor([0.05, 1.0, 0.9]))
    tired = (0.07 + 0.09 * t.age) * _spot(points, 0.30, -0.13, 0.13, 0.05)
    albedo = albedo * (1 - tired[:, None] * torch.tensor([0.8, 1.0, 0.8]))
    albedo = albedo * (1 + 0.025 * (1 + t.age) * mottle(points * 1.3))[:, None]
    freckles = 1.2 * max(0.0, 0.5 - t.melanin) * max(0.0, t.warmth)
    if freckles > 0.05 and style.skin is None:
        dots = smoothstep(
            0.55, 0.9, mottle(points * 3.3, 2.0) * _spot(points, 0.25, -0.22, 0.3, 0.16)
        )
        albedo = albedo * (1 - 0.45 * freckles * dots[:, None] * torch.tensor([0.5, 1.0, 1.0]))
    if style.stains is not None:
        blotch = smoothstep(0.35, 0.75, mottle(points * 0.55, 4.0)) * 0.75
        albedo = mix(albedo, torch.tensor(style.stains), blotch)
    return albedo


def _paint_lids(face: Face, points: Tensor, front: Tensor, albedo: Tensor) -> Tensor:
    s, makeup = face.scalars, face.traits.makeup
    opening = eye_opening(points, s)
    u, v = eye_coordinates(points, s)
    near = u.abs() < 1.12 * s.eye_half_width
    if face.style.eye_paint is not None:
        ring = smoothstep(0.14, 0.09, opening) * front * (u.abs() < 1.9 * s.eye_half_width)
        albedo = mix(albedo, torch.tensor(face.style.eye_paint), 0.95 * ring)
    lid = torch.exp(-((opening / 0.055) ** 2)) * (v > 0) * near * front
    albedo = albedo * (1 - (0.15 + 0.30 * makeup) * lid[:, None] * torch.tensor([0.75, 1.0, 0.9]))
    upper = smoothstep(0.030 + 0.010 * makeup, 0.012, opening)
    upper = upper * smoothstep(-0.02, 0.015, v + 0.02 * u / s.eye_half_width) * near * front
    lower = smoothstep(0.018, 0.004, opening) * (u.abs() < 1.05 * s.eye_half_width) * front
    albedo = mix(albedo, torch.tensor([0.05, 0.035, 0.03]), 0.92 * upper)
    return albedo * (1 - 0.40 * lower)[:, None]


def _paint_brows(
    face: Face, points: Tensor, front: Tensor, albedo: Tensor
) -> tuple[Tensor, Tensor]:
    t, p = face.traits, face.proportions
    outward = points[:, 0].abs() - p.eye[0] + 0.01
    a = outward / 0.205
    height = p.brow_height - 0.045 * (a - 0.25) ** 2 + 0.6 * p.brow_slope * outward
    height = height - 0.05 * smoothstep(0.4, 1.2, a)
    thick = 0.042 + 0.012 * t.brow_thick + 0.008 * t.masculine
    thick = thick * (1.05 - 0.45 * smoothstep(-0.2, 1.1, a))
    off = (points[:, 1] - height).abs() / thick
    brow = smoothstep(1.05, 0.35, off) * smoothstep(1.12, 0.9, a.abs()) * front
    color = mix(hair_color(face) * 0.62, torch.tensor([0.07, 0.05, 0.04]), 0.35)
    if face.style.hairless:
        brow = brow * 0
    return mix(albedo, color, 0.9 * brow), brow


def _paint_lips(face: Face, points: Tensor, front: Tensor, albedo: Tensor) -> tuple[Tensor, Tensor]:
    t, p, s = face.traits, face.proportions, face.scalars
    x = points[:, 0]
    a = x / (1.04 * s.mouth_half_width)
    v, arch = points[:, 1] - mouth_line(x, s), (1 - a * a).clamp_min(0)
    bow = 0.80 + 0.35 * torch.exp(-(((x.abs() - 0.07) / 0.075) ** 2))
    bow = bow - 0.16 * torch.exp(-((x / 0.03) ** 2))
    upper = (0.92 * p.lip + 0.045 * t.mouth_open) * arch.sqrt() * bow
    lower = (1.5 * p.lip + 0.085 * t.mouth_open) * arch**0.8
    lip = torch.minimum(smoothstep(-0.010, 0.012, upper - v), smoothstep(-0.012, 0.012, lower + v))
    lip = lip * (a.abs() < 1) * front
    bare = skin_color(face) * torch.tensor([0.92, 0.62, 0.60])
    red = torch.tensor([0.74, 0.12, 0.16]) * (1 - 0.35 * t.melanin) * (1 + 0.2 * t.warmth)
    color = mix(bare, red, 0.12 + 0.62 * t.makeup**1.5)
    if face.style.lips is not None:
        color = torch.tensor(face.style.lips)
    return mix(albedo, color, 0.9 * lip), lip


def _paint_beard(face: Face, points: Tensor, albedo: Tensor, lip: Tensor) -> tuple[Tensor, Tensor]:
    t, s = face.traits, face.scalars
    amount = 0.0 if face.style.hairless else t.beard
    if amount < 0.02:
        return albedo, torch.zeros_like(lip)
    x, y, z = points[:, 0].abs(), points[:, 1], points[:, 2]
    edge = y - 0.30 * (0.55 - x).clamp_min(0) - 0.35 * smoothstep(0.45, 0.62, x)
    jaw = smoothstep(-0.44, -0.64, edge)
    jaw = jaw * smoothstep(-1.14, -1.00, y) * smoothstep(-0.15, 0.12, z)
    muzzle = smoothstep(0.34, 0.24, x) * smoothstep(s.mouth_y - 0.14, s.mouth_y + 0.02, y)
    moustache = _spot(points, 0.10, s.mouth_y + 0.135, 0.17, 0.055) * (x < 0.34)
    mask = torch.maximum(jaw * (1 - 0.92 * muzzle), moustache) * (1 - lip)
    mask = (mask * (0.92 + 0.08 * mottle(points * 2.2)) * min(1.0, 1.25 * amount)).clamp(0, 1)
    color = mix(hair_color(face) * 0.8, skin_color(face) * 0.45, 0.35 * (1 - amount))
    return mix(albedo, color, 0.92 * mask), mask


def _paint_scalp(face: Face, points: Tensor, albedo: Tensor) -> Tensor:
    """Return the skin with stubble where hair would grow, so that the hairline fades out."""
    s = face.scalars
    if face.style.hairless:
        return albedo
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    grown = smoothstep(-0.11, 0.05, y - hairline_height(x, s))
    sides = smoothstep(0.20, 0.08, z) * smoothstep(-0.35, -0.15, y) * (x.abs() > 0.5) * 0.9
    color = mix(hair_color(face) * 0.7, skin_color(face) * 0.6, 0.40)
    weight = 0.75 * (1 - 0.75 * s.bald)
    return mix(albedo, color, weight * torch.maximum(grown, sides))


def _paint_eyes(face: Face, points: Tensor) -> Material:
    t, p, s, style = face.traits, face.proportions, face.scalars, face.style
    side = torch.sign(points[:, 0])
    center = torch.stack(
        [side * s.eye_x, *(torch.full_like(side, v) for v in (s.eye_y, s.eye_z))], 1
    )
    out = F.normalize(points - center, dim=1)
    aim = torch.stack([0.11 * t.gaze_x - 0.03 * side, torch.full_like(side, 0.06 * t.gaze_y)], 1)
    aim = F.normalize(torch.cat([aim, torch.ones_like(side)[:, None]], 1), dim=1)
    radius = torch.acos((out * aim).sum(1).clamp(-1, 1)) * p.eye_radius
    iris = 0.112 * (1 + 0.06 * t.eye_size) * (1 + 0.55 * (style.eye_scale - 1))
    pupil = 0.44 * iris
    angle = torch.atan2(out[:, 1] - aim[:, 1], out[:, 0] - aim[:, 0])
    streak = 0.85 + 0.10 * torch.sin(angle * 11 + 3 * torch.sin(angle * 5))
    glow = streak * (0.75 + 0.55 * smoothstep(pupil, iris, radius)) * 1.35
    color = iris_color(face) * (glow * (1 - 0.65 * smoothstep(0.80 * iris, iris, radius)))[:, None]
    white = torch.tensor(style.sclera or (0.95, 0.94, 0.93))
    off = (points[:, 0].abs() - s.eye_x).abs() / s.eye_half_width
    white = white * (1 - 0.12 * smoothstep(0.5, 1.1, off))[:, None]
    color = mix(color, white, smoothstep(0.93 * iris, 1.04 * iris, radius))
    color = mix(
        torch.tensor([0.012, 0.010, 0.012]), color, smoothstep(0.85 * pupil, 1.1 * pupil, radius)
    )
    u, v = eye_coordinates(points, s)
    below_lid = s.eye_upper * (1 - (u / s.eye_half_width) ** 2) - v
    return _uniform(
        color * (1 - 0.45 * smoothstep(0.05, 0.0, below_lid))[:, None], 0.35, 120.0, 0.3
    )


def _paint_hair(face: Face, points: Tensor) -> Material:
    t = face.traits
    x, y, z = points.unbind(1)
    turn = torch.atan2(
        x - 0.25 * t.part * smoothstep(0.3, 0.9, y), z + 0.10 + 0.25 * smoothstep(0.5, 1.0, y)
    )
    wave = torch.sin(turn * 30 + 4 * torch.sin(y * 3.5) + 2 * torch.sin(turn * 9))
    strand = 0.5 + 0.5 * wave * (1 - 0.6 * t.curl) + 0.25 * mottle(points)
    shade = 0.84 + 0.26 * strand.clamp(0, 1.4)
    albedo = hair_color(face) * (shade * (1 + 0.04 * mottle(points * 0.5)))[:, None]
    return _uniform(albedo, 0.30, 14.0, 0.15)


def _paint_cloth(face: Face, points: Tensor) -> Material:
    color = cloth_color(face)
    hole = face.head.tables.ellipsoids["neck_hole"].distance(point_features(points))
    albedo = mix(color * 0.78, color.expand(len(points), 3), smoothstep(0.03, 0.05, hole))
    return _uniform(albedo, 0.04, 8.0, 0.1)


def _paint_teeth(face: Face, points: Tensor) -> Material:
    """Return white teeth above a red tongue; a nearly closed mouth shows its dark line alone."""
    s = face.scalars
    x = points[:, 0]
    v = points[:, 1] - mouth_line(x, s)
    white = (
        torch.tensor([1.0, 0.98, 0.94])
        * (1 - 0.25 * (x.abs() / s.mouth_half_width).clamp(0, 1) ** 2)[:, None]
    )
    gaps = smoothstep(0.93, 1.0, torch.cos(x * 75))
    white = white * (1 - 0.08 * gaps)[:, None]
    tongue = torch.tensor([0.46, 0.10, 0.10])
    albedo = mix(tongue, white, smoothstep(-0.012, 0.004, v + 0.045 * s.mouth_open + 0.006))
    shown = float(smoothstep(0.04, 0.14, torch.tensor(s.mouth_open)))
    closed = torch.tensor([0.28, 0.08, 0.08])
    return _uniform(mix(closed, albedo, shown), 0.20 * shown, 50.0, 0.4)


def _paint_glasses(face: Face, points: Tensor) -> Material:
    t = face.traits
    dark, brown = hsv(t.cloth_hue + 0.4, 0.5, 0.13), torch.tensor([0.40, 0.24, 0.11])
    color = dark if t.cloth_light < 0.3 else brown
    return _uniform(color.expand(len(points), 3), 0.5, 50.0, 0.0)
