"""Light on the surface, and the background behind it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.portraits.colors import Face, hsv, mix
from itportrait.portraits.head_sdf import head_distance, head_light, head_normals
from itportrait.portraits.head_sdf.reference import smoothstep
from itportrait.portraits.materials import EYES, HAIR, TEETH, Material, surface_material

_KEY_COLOR = (1.0, 0.945, 0.87)


@dataclass
class Surface:
    """What shading needs to know of `n` points where rays hit the head.

    Attributes:
        points: `[n, 3]`, head units.
        normals: `[n, 3]` unit.
        view: `[n, 3]` unit, towards the camera.
        group: `[n]` index in `GROUPS`.
        occlusion: `[n]`, 1 is open to the surroundings, 0 is closed.
        shadow: `[n]`, 1 is lit by the key light, 0 is in its shadow.
        facing: `[n]` cosine between normal and view.
    """

    points: Tensor
    normals: Tensor
    view: Tensor
    group: Tensor
    occlusion: Tensor
    shadow: Tensor
    facing: Tensor


def key_light(face: Face) -> Tensor:
    """Return the unit vector `[3]` towards the key light."""
    azimuth = 0.15 + 0.70 * face.traits.light_azimuth
    elevation = 0.62 + 0.28 * face.traits.light_elevation
    return torch.tensor(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )


def background_color(face: Face, directions: Tensor) -> Tensor:
    """Return the background `[n, 3]`, a smooth gradient of the rays' world directions `[n, 3]`."""
    if face.style.background is not None:
        middle, rim = (torch.tensor(color) for color in face.style.background)
    else:
        t = face.traits
        value = 0.62 + 0.30 * t.background_light
        saturation = t.background_saturation * (0.40 - 0.14 * t.background_light)
        middle = hsv(t.background_hue, saturation, value)
        rim = hsv(t.background_hue + 0.06, 1.4 * saturation, 0.62 * value)
    x, y = directions[:, 0], directions[:, 1]
    pool = smoothstep(0.0, 1.1, 3 * (x * x + y * y).sqrt())
    fall = smoothstep(-0.55, 0.55, 0.8 * x - 4 * y)
    return mix(middle, rim, (0.65 * pool + 0.35 * fall).clamp(0, 1)[:, None])


def find_surface(face: Face, points: Tensor, view: Tensor, block: Tensor, backend: str) -> Surface:
    """Compute what shading needs at hit points.

    Args:
        face: the person in a style.
        points: `[n, 3]` hits, head units.
        view: `[n, 3]` unit vectors towards the camera.
        block: `[n]` index of the pixel that a sample belongs to; occlusion and shadow are smooth,
            so they are computed once for all samples of a pixel.
        backend: implementation of the distance function, see `head_sdf.op`.
    """
    normals = head_normals(points, face.head, backend=backend)
    group = head_distance(points, face.head, backend=backend).argmin(1)
    unique, inverse = torch.unique(block, return_inverse=True)
    chosen = torch.empty(len(unique), dtype=torch.long)
    chosen[inverse] = torch.arange(len(points))
    occlusion, shadow = head_light(
        points[chosen], normals[chosen], key_light(face), face.head, backend=backend
    )
    facing = (normals * view).sum(1).clamp(0, 1)
    return Surface(points, normals, view, group, occlusion[inverse], shadow[inverse], facing)


def shade_surface(face: Face, surface: Surface) -> Tensor:
    """Return the lit colors `[n, 3]` of the surface, sRGB in [0, 1]."""
    material = surface_material(face, surface.points, surface.group)
    albedo = _color(face, surface, material) ** 2.0
    mouth = surface.group == TEETH
    surface.occlusion = torch.where(mouth, surface.occlusion.clamp_min(0.55), surface.occlusion)
    surface.shadow = torch.where(mouth, surface.shadow.clamp_min(0.75), surface.shadow)
    if face.style.finish == "cartoon":
        return _toon(face, surface, albedo)
    color = albedo * _diffuse(face, surface, material)
    color = color + _highlights(face, surface, material, albedo)
    color = 0.88 * color
    return (1.28 * color * (1 + color / 2.6) / (1 + color)).clamp(0, 1).sqrt()


def _bronze(surface: Surface, material: Material) -> Tensor:
    metal = torch.tensor([0.66, 0.45, 0.23]) * (0.70 + 0.4 * surface.occlusion[:, None])
    patina = torch.tensor([0.22, 0.46, 0.40]).expand_as(metal)
    material.polish(specular=1.0, gloss=26.0, softness=0.0)
    return mix(metal, patina, (0.85 * (1 - surface.occlusion)).clamp(0, 0.6))


def _clay(surface: Surface, material: Material) -> Tensor:
    material.polish(specular=0.04, gloss=18.0, softness=0.2)
    earth = torch.tensor([0.78, 0.50, 0.38]).expand_as(material.albedo)
    return mix(earth, material.albedo, 0.10)


STUFFS: dict[str, Callable[[Surface, Material], Tensor]] = {"bronze": _bronze, "clay": _clay}
"""Finishes of sculptures, made of one stuff: each sets a material's polish and returns its color
`[n, 3]`."""


def _color(face: Face, surface: Surface, material: Material) -> Tensor:
    """Return the color `[n, 3]` of the surface before light falls on it."""
    stuff = STUFFS.get(face.style.finish)
    if stuff is None:
        return material.albedo
    # A sculpture's eyes are cut deeper, which darkens them a little.
    carved = torch.where(surface.group == EYES, 0.85, 1.0)
    return stuff(surface, material) * carved[:, None]


def _diffuse(face: Face, s: Surface, material: Material) -> Tensor:
    """Return key, sky and fill light `[n, 3]` falling on the surface."""
    key, soft = key_light(face), material.softness[:, None]
    fill = 0.52 + 0.16 * face.traits.light_fill
    wrap = torch.tensor([0.42, 0.22, 0.16]) * soft
    lambert = (((s.normals * key).sum(1)[:, None] + wrap) / (1 + wrap)).clamp_min(0)
    bleeding = torch.stack([s.shadow**0.7, s.shadow, s.shadow**1.1], 1)
    shadow = mix(s.shadow[:, None], bleeding, soft)
    up = (0.5 + 0.5 * s.normals[:, 1])[:, None]
    sky = torch.tensor([0.34, 0.31, 0.30]).lerp(torch.tensor([0.62, 0.66, 0.74]), up) * fill
    side = F.normalize(torch.tensor([-0.9 * float(key[0]) - 0.1, 0.15, 0.75]), dim=0)
    bounce = (0.5 + 0.5 * (s.normals * side).sum(1)).clamp_min(0) ** 1.5 * 0.42 * fill
    ao = torch.stack([s.occlusion**0.75, s.occlusion**0.95, s.occlusion], 1)
    direct = torch.tensor(_KEY_COLOR) * 1.62 * lambert * shadow
    return direct + (0.95 * sky + bounce[:, None] * torch.tensor([0.85, 0.92, 1.0])) * ao


def _highlights(face: Face, s: Surface, material: Material, albedo: Tensor) -> Tensor:
    """Return mirror-like light `[n, 3]`: highlight, hair sheen, rim light, catch lights."""
    key, plain = key_light(face), face.style.finish not in STUFFS
    half = F.normalize(s.view + key, dim=1)
    fresnel = 0.29 + 0.96 * (1 - s.facing) ** 5
    spread = (s.normals * half).sum(1).clamp_min(0) ** material.gloss * (material.gloss + 8) / 26
    lit = (s.normals * key).sum(1) > 0
    shine = material.specular * spread * s.shadow * fresnel * 1.6 * lit
    hair = s.group == HAIR
    if plain and hair.any():
        shine[hair] = _hair_sheen(s, hair, half, albedo)
    back = F.normalize(torch.tensor([-1.2 * float(key[0]) - 0.2, 0.5, -0.85]), dim=0)
    rim = ((s.normals * back).sum(1) + 0.15).clamp(0, 1) * (1 - s.facing) ** 2 * s.occlusion
    rim = 0.8 * rim * torch.where(hair, 0.4, 1.0)
    cool = torch.tensor([0.75, 0.85, 1.0]) * (0.35 + 0.8 * albedo)
    light = shine[:, None] * torch.tensor(_KEY_COLOR) + rim[:, None] * cool
    eyes = s.group == EYES
    if plain and eyes.any():
        light[eyes] += _catch_light(face, s, eyes)[:, None]
    return light


def _hair_sheen(s: Surface, hair: Tensor, half: Tensor, albedo: Tensor) -> Tensor:
    """Return a band of light across strands that run down from the crown (Kajiya-Kay)."""
    p, n = s.points[hair], s.normals[hair]
    down = torch.stack([-0.6 * p[:, 0], (0.3 - p[:, 1]).clamp(0.1, 1), -0.3 * p[:, 2]], 1)
    along = F.normalize(down, dim=1)
    along = F.normalize(along - n * (along * n).sum(1, keepdim=True), dim=1)
    cosine = (along * half[hair]).sum(1)
    across = (1 - cosine * cosine).clamp_min(0).sqrt()
    tone = albedo[hair].mean(1)
    return s.shadow[hair] * (0.12 * across**50 * (0.35 + 2 * tone) + 0.36 * across**12 * tone)


def _catch_light(face: Face, s: Surface, eyes: Tensor) -> Tensor:
    n, view = s.normals[eyes], s.view[eyes]
    mirror = 2 * (n * view).sum(1, keepdim=True) * n - view
    lamp = F.normalize(key_light(face) + torch.tensor([0, 0.05, 0.35]), dim=0)
    return 1.1 * smoothstep(0.955, 0.98, (mirror * lamp).sum(1))


def _toon(face: Face, s: Surface, albedo: Tensor) -> Tensor:
    """Return three flat tones of saturated color with a white highlight, before lines are inked."""
    key = key_light(face)
    light = ((s.normals * key).sum(1) + 0.25).clamp(0, 1) * (0.35 + 0.65 * s.shadow)
    tone = 0.60 + 0.26 * smoothstep(0.12, 0.20, light) + 0.20 * smoothstep(0.55, 0.63, light)
    tone = torch.where((s.group == EYES) | (s.group == TEETH), 1.05, tone)
    color = albedo.sqrt() * tone[:, None]
    gray = color.mean(1, keepdim=True)
    color = gray + 1.40 * (color - gray) + 0.03
    half = F.normalize(s.view + key, dim=1)
    gloss = smoothstep(0.955, 0.97, (s.normals * half).sum(1)) * (s.group == HAIR)
    color = mix(color, torch.ones(3), 0.35 * gloss)
    eyes = s.group == EYES
    if eyes.any():
        color[eyes] += _catch_light(face, s, eyes)[:, None]
    return color.clamp(0, 1)
