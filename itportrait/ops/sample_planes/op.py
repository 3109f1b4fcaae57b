"""`sample_planes`: look up points in the three planes; native on a CPU."""

from functools import partial

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.dispatch import AUTO, Implementation, Op, admit_cpu_float32
from itportrait.ops.loader import absence
from itportrait.ops.sample_planes.cpu import SOURCE, sample_planes_cpu
from itportrait.ops.sample_planes.reference import Axes, sample_planes_reference

SAMPLE_PLANES = Op(
    "sample_planes",
    sample_planes_reference,
    [Implementation("cpu", sample_planes_cpu, admit_cpu_float32, partial(absence, SOURCE))],
)


def sample_planes(planes: Tensor, points: Tensor, axes: Axes, *, backend: str = AUTO) -> Tensor:
    """Sample the three planes bilinearly at points (zeros outside) and average them.

    Args:
        planes: `[N, 3, C, H, W]`.
        points: `[N, M, 3]`; the planes span [-1, 1], texel centers as with `align_corners=False`.
        axes: for each plane the axis along its columns, then the one along its rows.
        backend: `auto`, `cpu` (native, for float32; differentiable once, in planes and points) or
            `reference`.

    Returns:
        `[N * M, C]`.

    Raises:
        InvalidArgumentError: shapes that do not fit, or no such backend.
        NativeOpError: `cpu` was asked for and cannot be used.
    """
    if planes.ndim != 5 or planes.shape[1] != 3:
        raise InvalidArgumentError("planes", expected="[N, 3, C, H, W]", actual=list(planes.shape))
    if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(planes):
        raise InvalidArgumentError(
            "points", expected=f"[{len(planes)}, M, 3]", actual=list(points.shape)
        )
    return SAMPLE_PLANES(planes, points, axes, backend=backend)
