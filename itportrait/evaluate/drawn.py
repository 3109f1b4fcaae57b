"""Drawn people with their true stylizations: what a style of a drawn domain is measured against.

The people are those of the held-out seed, whom no training sees. A drawn domain is a material and a
light of the same renderer, so the true stylization of a person is known from every camera.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_tensor
from itportrait.portraits import (
    HELD_OUT_SEED,
    ORBIT,
    Person,
    build_face,
    render_portrait,
    sample_people,
)
from itportrait.records import AlignedRecord

_YAW_RAD, _LARGEST_YAW_RAD, _PITCH_RAD = 0.25, 0.45, 0.05
"""Spread and largest turn of the cameras, and how far all of them look down."""


def draw_people(count: int, size: int) -> list[AlignedRecord]:
    """Return the first held-out people as portraits, from cameras at random.

    Args:
        count: number of people.
        size: pixels along each side.
    """
    yaws = np.random.default_rng(0).normal(0, _YAW_RAD, count)
    yaws = torch.tensor(np.clip(yaws, -_LARGEST_YAW_RAD, _LARGEST_YAW_RAD), dtype=torch.float32)
    cameras = look_at_camera(yaws, _PITCH_RAD, ORBIT)
    return [
        AlignedRecord(
            record_id=f"{index:04d}",
            uri=f"person {index}",
            pixels=render_portrait(person, camera, size).image,
            camera=camera.numpy(),
        )
        for index, (person, camera) in enumerate(zip(held_out(count), cameras, strict=True))
    ]


def held_out(count: int) -> list[Person]:
    """Return the people whom `draw_people` draws."""
    return sample_people(count, HELD_OUT_SEED)


def true_stylizations(domain: str, people: Sequence[Person], cameras: Tensor, size: int) -> Tensor:
    """Draw people in a drawn domain.

    Args:
        domain: name of one of `itportrait.portraits.DOMAINS`.
        people: who is drawn.
        cameras: `[N, 25]`, one a person.
        size: pixels along each side.

    Returns:
        `[N, 3, size, size]` in [-1, 1].

    Raises:
        UnknownNameError: no such drawn domain.
    """
    images = [
        to_tensor(render_portrait(person, camera, size, domain=domain).image)
        for person, camera in zip(people, cameras.cpu(), strict=True)
    ]
    return torch.stack(images)


def true_views(
    domain: str, person: Person, camera: Tensor, size: int, side_deg: float
) -> list[np.ndarray]:
    """Draw a person in a drawn domain: from its camera, from both sides, and between them.

    Args:
        domain: name of one of `itportrait.portraits.DOMAINS`.
        person: who is drawn.
        camera: `[25]` of the first view.
        size: pixels along each side.
        side_deg: yaw of the side views, in degrees.

    Returns:
        uint8 `[size, size, 3]` each: the camera's view, left, front and right.
    """
    face = build_face(person, domain)
    yaws = (math.radians(yaw) for yaw in (-side_deg, 0.0, side_deg))
    cameras = [camera, *(look_at_camera(yaw, 0.0, ORBIT) for yaw in yaws)]
    return [render_portrait(face, each, size).image for each in cameras]
