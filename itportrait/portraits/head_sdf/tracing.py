"""Sphere tracing, normals and light of a head in plain PyTorch: what cpu.cpp speeds up."""

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.portraits.head_sdf.reference import (
    HeadTables,
    head_distance_reference,
    smoothstep,
)

RELAXATION = 0.9
"""Share of the distance that a step takes, because the bumps stretch the field a little."""
HIT_DISTANCE = 0.003
GRAZING_DISTANCE = 0.012
STEPS = 64
NORMAL_WIDTH = 0.004
OCCLUSION_RADII = (0.05, 0.14, 0.32)
OCCLUSION_WEIGHTS = (0.40, 0.275, 0.20)
CHUNK = 16384
"""Points evaluated at once, so that the intermediate tables stay in cache."""


def nearest_distance(points: Tensor, tables: HeadTables) -> Tensor:
    """Return the distance `[N]` to the nearest group, in chunks."""
    return torch.cat(
        [head_distance_reference(part, tables).amin(1) for part in points.split(CHUNK)]
    )


def trace_head_reference(
    tables: HeadTables, origin: Tensor, directions: Tensor, *, near: float, far: float
) -> tuple[Tensor, Tensor]:
    """Find where rays meet the head; see `trace_head`."""
    height, width, _ = directions.shape
    rays = directions.reshape(-1, 3)
    depth = torch.full_like(rays[:, 0], near)
    hit = torch.zeros_like(depth, dtype=torch.bool)
    live = torch.arange(len(rays), device=rays.device)
    distance = depth
    for _ in range(STEPS):
        if not len(live):
            break
        distance = nearest_distance(origin + rays[live] * depth[live, None], tables)
        depth[live] += RELAXATION * distance
        hit[live[distance < HIT_DISTANCE]] = True
        moving = (distance >= HIT_DISTANCE) & (depth[live] <= far)
        live, distance = live[moving], distance[moving]
    hit[live[distance < GRAZING_DISTANCE]] = True
    return depth.view(height, width), hit.view(height, width)


def head_normals_reference(points: Tensor, tables: HeadTables) -> Tensor:
    """Return unit normals by tetrahedral differences; see `head_normals`."""
    corners = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    slopes = [
        corner * nearest_distance(points + NORMAL_WIDTH * corner, tables)[:, None]
        for corner in corners
    ]
    return F.normalize(torch.stack(slopes).sum(0), dim=1)


def head_light_reference(
    points: Tensor, normals: Tensor, light: Tensor, tables: HeadTables
) -> tuple[Tensor, Tensor]:
    """Return ambient occlusion and soft shadow; see `head_light`."""
    occlusion = torch.ones_like(points[:, 0])
    for radius, weight in zip(OCCLUSION_RADII, OCCLUSION_WEIGHTS, strict=True):
        free = nearest_distance(points + normals * radius, tables)
        occlusion = occlusion - weight * ((radius - free) / radius).clamp(0, 1)
    shadow, traveled = torch.ones_like(occlusion), torch.full_like(occlusion, 0.04)
    live = torch.nonzero((normals * light).sum(1) > -0.25)[:, 0]
    for _ in range(9):
        if not len(live):
            break
        start = points[live] + normals[live] * 0.012
        free = nearest_distance(start + light * traveled[live, None], tables)
        lit = (0.5 + 3.5 * free / traveled[live]).clamp(0, 1)
        shadow[live] = torch.minimum(shadow[live], lit)
        traveled[live] += free.clamp(0.03, 0.22)
        live = live[(shadow[live] > 0.02) & (traveled[live] < 1.6)]
    return occlusion.clamp(0.12, 1), smoothstep(0, 1, shadow)
