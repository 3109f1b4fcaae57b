"""Render one person through one camera."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import check_camera, unpack_camera
from itportrait.geometry.orbit import FFHQ_ORBIT
from itportrait.geometry.rays import camera_rays
from itportrait.ops.dispatch import AUTO
from itportrait.portraits.colors import Face
from itportrait.portraits.domains import PHOTO, get_domain, style_traits
from itportrait.portraits.finishes import Canvas, apply_finish
from itportrait.portraits.head_sdf import trace_head
from itportrait.portraits.prior import Person, decode_traits
from itportrait.portraits.shading import background_color, find_surface, shade_surface
from itportrait.portraits.shape import (
    WORLD_OFFSET,
    WORLD_SCALE,
    Proportions,
    build_head,
    face_landmarks,
)

VERSION = 1
"""Version of what is drawn; it is raised when pictures of the same people change."""
ORBIT = FFHQ_ORBIT
"""Where cameras of drawn people stand: heads are drawn at the size and place that FFHQ's have."""
NEAR, FAR = 1.9, 3.6
"""World distances along a ray between which a head is looked for."""
BACKGROUND_DEPTH = 3.3
"""World depth of a pixel that shows the background."""


@dataclass(frozen=True)
class Portrait:
    """A rendered person.

    Attributes:
        image: `[S, S, 3]` uint8, RGB.
        alpha: `[S, S]` float32 in [0, 1], share of the pixel that the head covers.
        depth: `[S, S]` float32, distance along the pixel's ray in world units, the mean over the
            samples that hit; `BACKGROUND_DEPTH` where none did.
        landmarks: `[5, 2]` float32 pixels, x right, y down, (0, 0) the corner of the picture:
            eye, eye (image-left first), nose tip, mouth corner, mouth corner.
    """

    image: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    landmarks: np.ndarray


def build_face(person: Person, domain: str = PHOTO) -> Face:
    """Decode and sculpt a person in a domain.

    Raises:
        UnknownNameError: no such domain.
    """
    style = get_domain(domain).style
    traits = style_traits(decode_traits(person), style)
    proportions = Proportions.of(traits, style)
    return Face(traits, style, proportions, build_head(traits, style, proportions))


def world_landmarks(face: Face) -> np.ndarray:
    """Return eyes, nose tip and mouth corners `[5, 3]` in the world, image-left ones first."""
    points = face_landmarks(face.head, face.proportions)
    return (WORLD_SCALE * points + np.array(WORLD_OFFSET)).astype(np.float32)


def project_points(points: np.ndarray, camera: Tensor, size: int) -> np.ndarray:
    """Project world points `[N, 3]` through a camera `[25]` to pixels `[N, 2]` of a picture."""
    cam2world, intrinsics = unpack_camera(camera.reshape(1, -1))
    world = torch.as_tensor(points, dtype=torch.float32)
    local = (world - cam2world[0, :3, 3]) @ cam2world[0, :3, :3]
    pixels = local @ intrinsics[0].T
    return (size * pixels[:, :2] / pixels[:, 2:]).numpy()


@torch.inference_mode()
def render_portrait(
    person: Person | Face,
    camera: Tensor,
    size: int,
    *,
    domain: str = PHOTO,
    supersample: int = 2,
    backend: str = AUTO,
) -> Portrait:
    """Draw a person.

    Args:
        person: the person, or the `Face` of `build_face`, which need not be built again for
            every view.
        camera: `[25]` or `[1, 25]`, EG3D label.
        size: pixels along each side.
        domain: `PHOTO` or one of `DOMAINS`; ignored where a `Face` is given, which has its style.
        supersample: samples along each side of a pixel.
        backend: implementation of the distance function, see `head_sdf.op`.

    Raises:
        InvalidArgumentError: the camera's shape differs, or size or supersample is below 1.
        UnknownNameError: no such domain.
    """
    if size < 1 or supersample < 1:
        raise InvalidArgumentError(
            "size, supersample", expected="at least 1", actual=(size, supersample)
        )
    camera = torch.as_tensor(camera, dtype=torch.float32).reshape(1, -1)
    check_camera(camera)
    face = person if isinstance(person, Face) else build_face(person, domain)
    canvas = _draw(face, camera, size * supersample, supersample, backend)
    image = apply_finish(canvas, face.style.finish, supersample)
    hit = canvas.hit.float()
    alpha = _pool(hit, supersample)
    depth = _pool(canvas.depth * WORLD_SCALE * hit, supersample) / alpha.clamp_min(1e-6)
    depth = torch.where(alpha > 0, depth, BACKGROUND_DEPTH)
    pixels = F.avg_pool2d(image.permute(2, 0, 1)[None], supersample)[0].permute(1, 2, 0)
    return Portrait(
        image=pixels.clamp(0, 1).mul(255).round().to(torch.uint8).numpy(),
        alpha=alpha.numpy(),
        depth=depth.numpy(),
        landmarks=project_points(world_landmarks(face), camera, size),
    )


def _draw(face: Face, camera: Tensor, resolution: int, scale: int, backend: str) -> Canvas:
    """Trace and shade `resolution` x `resolution` samples."""
    origins, directions = camera_rays(camera, resolution)
    origin, rays = origins[0, 0], directions[0]
    start = (origin - torch.tensor(WORLD_OFFSET)) / WORLD_SCALE
    depth, hit = trace_head(
        face.head,
        start,
        rays.view(resolution, resolution, 3),
        near=NEAR / WORLD_SCALE,
        far=FAR / WORLD_SCALE,
        backend=backend,
    )
    flat = hit.view(-1)
    image = background_color(face, rays)
    index = torch.nonzero(flat)[:, 0]
    columns = resolution // scale
    block = index // resolution // scale * columns + index % resolution // scale
    points = start + rays[index] * depth.view(-1)[index, None]
    surface = find_surface(face, points, -rays[index], block, backend)
    if len(index):
        image[index] = shade_surface(face, surface)
    depth = torch.where(hit, depth, FAR / WORLD_SCALE)
    return Canvas(image.view(resolution, resolution, 3), hit, depth, surface)


def _pool(values: Tensor, scale: int) -> Tensor:
    return F.avg_pool2d(values[None], scale)[0]
