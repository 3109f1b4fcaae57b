"""Distances, ray hits, normals and light of a procedural head.

Every function takes `backend`: "auto" uses native code for float32 tensors on a CPU where it can be
built, "cpu" insists on it, and "reference" is plain PyTorch, the only one on a GPU.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.dispatch import AUTO, Implementation, Op, admit_cpu_float32
from itportrait.ops.loader import absence
from itportrait.portraits.head_sdf import cpu
from itportrait.portraits.head_sdf.head import Head
from itportrait.portraits.head_sdf.reference import head_distance_reference
from itportrait.portraits.head_sdf.tracing import (
    head_light_reference,
    head_normals_reference,
    trace_head_reference,
)


def _op(name: str, reference: Callable, native: Callable) -> Op:
    missing = partial(absence, cpu.SOURCE)
    return Op(name, reference, [Implementation("cpu", native, admit_cpu_float32, missing)])


HEAD_DISTANCE = _op(
    "head_distance",
    lambda points, head: head_distance_reference(points, head.tables),
    cpu.head_distance_cpu,
)
TRACE_HEAD = _op(
    "trace_head",
    lambda head, origin, directions, near, far: trace_head_reference(
        head.tables, origin, directions, near=near, far=far
    ),
    cpu.trace_head_cpu,
)
HEAD_NORMALS = _op(
    "head_normals",
    lambda points, head: head_normals_reference(points, head.tables),
    cpu.head_normals_cpu,
)
HEAD_LIGHT = _op(
    "head_light",
    lambda points, normals, light, head: head_light_reference(points, normals, light, head.tables),
    cpu.head_light_cpu,
)


def head_distance(points: Tensor, head: Head, *, backend: str = AUTO) -> Tensor:
    """Return the signed distances of points to the groups of a head.

    Args:
        points: `[N, 3]` float, head units.
        head: the head, made by `shape.build_head`.
        backend: implementation; see the module's description.

    Returns:
        `[N, 6]` in the order of `GROUPS`, head units, negative inside.

    Raises:
        InvalidArgumentError: the shape differs, or no such backend.
        NativeOpError: "cpu" was asked for and cannot be used.
    """
    _check_points("points", points)
    return HEAD_DISTANCE(points, head, backend=backend)


def trace_head(
    head: Head,
    origin: Tensor,
    directions: Tensor,
    *,
    near: float,
    far: float,
    backend: str = AUTO,
) -> tuple[Tensor, Tensor]:
    """Find where rays from one point meet a head.

    Args:
        head: the head, made by `shape.build_head`.
        origin: `[3]`, head units.
        directions: `[H, W, 3]` unit vectors, neighbors close together.
        near: distance at which the rays start, head units, before the head.
        far: distance at which a ray has missed.
        backend: implementation; see the module's description.

    Returns:
        `(depth [H, W], hit bool [H, W])`; depth is the distance along the ray where it hit.

    Raises:
        InvalidArgumentError: a shape differs, or no such backend.
        NativeOpError: "cpu" was asked for and cannot be used.
    """
    if directions.ndim != 3 or directions.shape[2] != 3:
        raise InvalidArgumentError(
            "directions", expected="of shape [H, W, 3]", actual=list(directions.shape)
        )
    return TRACE_HEAD(head, origin, directions, near, far, backend=backend)


def head_normals(points: Tensor, head: Head, *, backend: str = AUTO) -> Tensor:
    """Return the outward unit normals `[N, 3]` at surface points `[N, 3]`.

    Raises:
        InvalidArgumentError: the shape differs, or no such backend.
        NativeOpError: "cpu" was asked for and cannot be used.
    """
    _check_points("points", points)
    return HEAD_NORMALS(points, head, backend=backend)


def head_light(
    points: Tensor, normals: Tensor, light: Tensor, head: Head, *, backend: str = AUTO
) -> tuple[Tensor, Tensor]:
    """Return how open surface points are to the surroundings and to a light.

    Args:
        points: `[N, 3]` on the surface, head units.
        normals: `[N, 3]` unit.
        light: `[3]` unit vector towards the light.
        head: the head, made by `shape.build_head`.
        backend: implementation; see the module's description.

    Returns:
        `(occlusion [N], shadow [N])`, 1 = open, 0 = closed.

    Raises:
        InvalidArgumentError: a shape differs, or no such backend.
        NativeOpError: "cpu" was asked for and cannot be used.
    """
    _check_points("points", points)
    _check_points("normals", normals)
    return HEAD_LIGHT(points, normals, light, head, backend=backend)


def _check_points(name: str, points: Tensor) -> None:
    if points.ndim != 2 or points.shape[1] != 3:
        raise InvalidArgumentError(name, expected="of shape [N, 3]", actual=list(points.shape))
