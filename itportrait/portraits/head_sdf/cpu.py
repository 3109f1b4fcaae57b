"""Distances, ray hits, normals and light of a head on a CPU, in native code."""

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from itportrait.ops.loader import open_library
from itportrait.portraits.head_sdf.head import Head
from itportrait.portraits.head_sdf.reference import GROUPS
from itportrait.portraits.head_sdf.tracing import NORMAL_WIDTH

SOURCE = Path(__file__).with_name("cpu.cpp")


def head_distance_cpu(points: Tensor, head: Head) -> Tensor:
    """Return the signed distances `[N, 6]`; see `op.head_distance`."""
    points = points.contiguous()
    out = torch.empty(len(points), len(GROUPS))
    _library().head_distance(_address(head.packed), _address(points), _address(out), len(points))
    return out


def trace_head_cpu(
    head: Head, origin: Tensor, directions: Tensor, near: float, far: float
) -> tuple[Tensor, Tensor]:
    """Return depth and hits of rays; see `op.trace_head`."""
    height, width, _ = directions.shape
    origin, directions = origin.contiguous(), directions.contiguous()
    depth, hit = torch.empty(height, width), torch.empty(height, width, dtype=torch.uint8)
    _library().head_trace(
        *map(_address, (head.packed, origin, directions)),
        height,
        width,
        near,
        far,
        *map(_address, (depth, hit)),
    )
    return depth, hit.bool()


def head_normals_cpu(points: Tensor, head: Head) -> Tensor:
    """Return the normals `[N, 3]`; see `op.head_normals`."""
    points = points.contiguous()
    out = torch.empty_like(points)
    _library().head_normals(
        _address(head.packed), _address(points), NORMAL_WIDTH, _address(out), len(points)
    )
    return out


def head_light_cpu(
    points: Tensor, normals: Tensor, light: Tensor, head: Head
) -> tuple[Tensor, Tensor]:
    """Return occlusion and shadow `[N]`; see `op.head_light`."""
    points, normals, light = points.contiguous(), normals.contiguous(), light.contiguous()
    occlusion, shadow = torch.empty(len(points)), torch.empty(len(points))
    _library().head_light(
        *map(_address, (head.packed, points, normals, light, occlusion, shadow)), len(points)
    )
    return occlusion, shadow


@cache
def _library() -> ctypes.CDLL:
    library = open_library(SOURCE)
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
