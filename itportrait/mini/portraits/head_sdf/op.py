"""Distances, ray hits, normals and light of a procedural head: native code or plain PyTorch.

Every function takes `backend`: "auto" uses the native code for CPU float32 tensors where it can be
built, "native" insists on it, "reference" is plain PyTorch (and the only one on a GPU).
"""

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.mini.portraits.head_sdf import reference
from itportrait.mini.portraits.head_sdf.reference import (
    ELLIPSOID_GROUPS,
    GROUPS,
    SCALARS,
    HeadTables,
    head_distance_reference,
)
from itportrait.mini.portraits.head_sdf.tracing import (
    NORMAL_WIDTH,
    head_light_reference,
    head_normals_reference,
    trace_head_reference,
)
from itportrait.ops.loader import Backend, NativeOpError, use_native

SOURCE = Path(__file__).with_name("op.cpp")


class Head:
    """A head's tables, and the flat buffer that the native code reads (made on first use)."""

    def __init__(self, tables: HeadTables) -> None:
        self.tables = tables
        self._packed: Tensor | None = None

    @property
    def scalars(self) -> reference.HeadScalars:
        """The numbers that place what is not an ellipsoid."""
        return self.tables.scalars

    @property
    def packed(self) -> Tensor:
        """All tables in one float32 vector, in the order that `struct Head` in op.cpp reads."""
        if self._packed is None:
            self._packed = _pack(self.tables)
        return self._packed


def head_distance(points: Tensor, head: Head, *, backend: Backend = "auto") -> Tensor:
    """Return the signed distances of points to the groups of a head.

    Args:
        points: `[N, 3]` float, head units.
        head: the head.
        backend: see the module.

    Returns:
        `[N, 6]` in the order of `GROUPS`, head units, negative inside.

    Raises:
        InvalidArgumentError: the shape differs, or no such backend.
        NativeOpError: "native" was asked for and is not available.
    """
    _check_points("points", points)
    library = _library(points, backend)
    if library is None:
        return head_distance_reference(points, head.tables)
    points = points.contiguous()
    out = torch.empty(len(points), len(GROUPS))
    library.head_distance(_address(head.packed), _address(points), _address(out), len(points))
    return out


def trace_head(
    head: Head,
    origin: Tensor,
    directions: Tensor,
    *,
    near: float,
    far: float,
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """Find where rays from one point meet a head.

    Args:
        head: the head.
        origin: `[3]`, head units.
        directions: `[H, W, 3]` unit vectors, neighbors close together.
        near: distance at which the rays start, head units, before the head.
        far: distance at which a ray has missed.
        backend: see the module.

    Returns:
        `(depth [H, W], hit bool [H, W])`; depth is the distance along the ray where it hit.

    Raises:
        InvalidArgumentError: a shape differs, or no such backend.
        NativeOpError: "native" was asked for and is not available.
    """
    if directions.ndim != 3 or directions.shape[2] != 3:
        raise InvalidArgumentError(
            "directions", expected="of shape [H, W, 3]", actual=list(directions.shape)
        )
    library = _library(directions, backend)
    if library is None:
        return trace_head_reference(head.tables, origin, directions, near=near, far=far)
    height, width, _ = directions.shape
    origin, directions = origin.contiguous(), directions.contiguous()
    depth, hit = torch.empty(height, width), torch.empty(height, width, dtype=torch.uint8)
    library.head_trace(
        _address(head.packed),
        _address(origin),
        _address(directions),
        height,
        width,
        near,
        far,
        _address(depth),
        _address(hit),
    )
    return depth, hit.bool()


def head_normals(points: Tensor, head: Head, *, backend: Backend = "auto") -> Tensor:
    """Return the outward unit normals `[N, 3]` at surface points `[N, 3]`.

    Raises:
        InvalidArgumentError: the shape differs, or no such backend.
        NativeOpError: "native" was asked for and is not available.
    """
    _check_points("points", points)
    library = _library(points, backend)
    if library is None:
        return head_normals_reference(points, head.tables)
    points = points.contiguous()
    out = torch.empty_like(points)
    library.head_normals(
        _address(head.packed), _address(points), NORMAL_WIDTH, _address(out), len(points)
    )
    return out


def head_light(
    points: Tensor, normals: Tensor, light: Tensor, head: Head, *, backend: Backend = "auto"
) -> tuple[Tensor, Tensor]:
    """Return how open surface points are to the surroundings and to a light.

    Args:
        points: `[N, 3]` on the surface, head units.
        normals: `[N, 3]` unit.
        light: `[3]` unit vector towards the light.
        head: the head.
        backend: see the module.

    Returns:
        `(occlusion [N], shadow [N])`, 1 = open, 0 = closed.

    Raises:
        InvalidArgumentError: a shape differs, or no such backend.
        NativeOpError: "native" was asked for and is not available.
    """
    _check_points("points", points)
    _check_points("normals", normals)
    library = _library(points, backend)
    if library is None:
        return head_light_reference(points, normals, light, head.tables)
    points, normals, light = points.contiguous(), normals.contiguous(), light.contiguous()
    occlusion, shadow = torch.empty(len(points)), torch.empty(len(points))
    library.head_light(
        _address(head.packed),
        _address(points),
        _address(normals),
        _address(light),
        _address(occlusion),
        _address(shadow),
        len(points),
    )
    return occlusion, shadow


def _library(tensor: Tensor, backend: str) -> ctypes.CDLL | None:
    fits = tensor.device.type == "cpu" and tensor.dtype == torch.float32
    if fits:
        library = use_native(SOURCE, backend)
        return None if library is None else _declare(library)
    if backend == "native":
        raise NativeOpError(
            "native op 'head_sdf' takes CPU float32 tensors, got "
            f"{tensor.dtype} {list(tensor.shape)} on {tensor.device}; use backend='auto'"
        )
    return None


@cache
def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, long, real = ctypes.c_void_p, ctypes.c_long, ctypes.c_float
    library.head_distance.argtypes = [pointer, pointer, pointer, long]
    library.head_trace.argtypes = [*[pointer] * 3, long, long, real, real, pointer, pointer]
    library.head_normals.argtypes = [pointer, pointer, real, pointer, long]
    library.head_light.argtypes = [*[pointer] * 6, long]
    for name in ("head_distance", "head_trace", "head_normals", "head_light"):
        getattr(library, name).restype = None
    return library


def _address(tensor: Tensor) -> int:
    return tensor.data_ptr()


def _check_points(name: str, points: Tensor) -> None:
    if points.ndim != 2 or points.shape[1] != 3:
        raise InvalidArgumentError(name, expected="of shape [N, 3]", actual=list(points.shape))


def _pack(tables: HeadTables) -> Tensor:
    parts = [torch.tensor([float(getattr(tables.scalars, name)) for name in SCALARS])]
    for name in ELLIPSOID_GROUPS:
        group = tables.ellipsoids[name]
        rows = torch.cat([group.shape.T, group.gradient.T, group.bounds], 1)
        parts += [torch.tensor([float(len(rows)), group.sharpness]), rows.flatten()]
    bumps = tables.bumps
    rows = torch.cat([bumps.amplitude[:, None], bumps.shape.T, bumps.bounds], 1)
    parts += [torch.tensor([float(len(rows))]), rows.flatten()]
    return torch.cat(parts).float().contiguous()
