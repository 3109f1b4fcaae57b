"""`render_rays`: volume rendering of tri-planes in one op, by one kernel each way."""

from functools import partial

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.dispatch import AUTO, Implementation, Op
from itportrait.ops.gpu import admit_gpu, triton_kernel
from itportrait.ops.loader import absence
from itportrait.ops.render_rays import cpu
from itportrait.ops.render_rays.reference import Composite, Space, render_rays_reference

MOST_CHANNELS = 128
"""Widest layer of the decoder that a GPU's registers hold beside the rest."""


def refusal(tensors: list[Tensor]) -> str:
    """Return why tensors are not admitted: planes, rays, depths and layers, in this order."""
    if (reason := admit_gpu(tensors)) or len(tensors) < 8:
        return reason
    widest = max(size for layer in tensors[4:8] for size in layer.shape[-2:])
    if widest > MOST_CHANNELS + 1:
        return f"takes decoders of at most {MOST_CHANNELS} channels, got {widest}"
    return ""


RENDER_RAYS = Op(
    "render_rays",
    render_rays_reference,
    [
        triton_kernel("itportrait.ops.render_rays.triton", "render_rays_triton", refusal),
        Implementation("cpu", cpu.render_rays_cpu, cpu.refusal, partial(absence, cpu.SOURCE)),
    ],
)


def render_rays(
    planes: Tensor,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    hidden: Layer,
    output: Layer,
    space: Space,
    *,
    with_weights: bool = False,
    backend: str = AUTO,
) -> Composite:
    """Sample tri-planes along rays, decode the samples, and composite them front to back.

    Args:
        planes: `[N, 3, C, H, W]`.
        origins: `[N, M, 3]`, in the world.
        directions: `[N, M, 3]`, unit vectors.
        depths: `[N, M, K]`, ascending along each ray, K at least 2. They get no gradient.
        hidden, output: layers of the decoder as in `decode_features`, each tensor with N rows more
            where each sample of the batch has weights of its own.
        space: how the planes fill the space, and what their densities mean.
        with_weights: whether the weights of the intervals are returned.
        backend: `auto`, `triton` (on a CUDA device), `cpu` (native, for float32 and the decoders of
            both families), each differentiable once, in planes, rays and layers; or `reference`.

    Returns:
        What the rays carry, in the type of the rays.

    Raises:
        InvalidArgumentError: shapes that do not fit, or no such backend.
        NativeOpError: `triton` or `cpu` was asked for and cannot be used.

    Source:
        EG3D (Chan et al., CVPR 2022), section 4.3; marching by mid-points as in MipNeRF.
    """
    check_inputs(planes, origins, directions, depths, hidden, output)
    inputs = planes, origins, directions, depths, hidden, output, space, with_weights
    return RENDER_RAYS(*inputs, backend=backend)


def check_inputs(
    planes: Tensor,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    hidden: Layer,
    output: Layer,
) -> None:
    """Refuse shapes that do not fit.

    Raises:
        InvalidArgumentError: says which of them.
    """
    _check_rays(planes, origins, directions, depths)
    _check_layers(planes, hidden, output)


def _check_rays(planes: Tensor, origins: Tensor, directions: Tensor, depths: Tensor) -> None:
    if planes.ndim != 5 or planes.shape[1] != 3:
        raise InvalidArgumentError("planes", expected="[N, 3, C, H, W]", actual=list(planes.shape))
    if depths.ndim != 3 or len(depths) != len(planes) or depths.shape[2] < 2:
        raise InvalidArgumentError(
            "depths", expected=f"[{len(planes)}, M, K] with K >= 2", actual=list(depths.shape)
        )
    for name, value in (("origins", origins), ("directions", directions)):
        if value.shape != (*depths.shape[:2], 3):
            raise InvalidArgumentError(
                name, expected=str([*depths.shape[:2], 3]), actual=list(value.shape)
            )


def _check_layers(planes: Tensor, hidden: Layer, output: Layer) -> None:
    width, samples = planes.shape[2], len(planes)
    for name, (weight, bias) in (("hidden", hidden), ("output", output)):
        rows = {weight.shape[:-2], bias.shape[:-1]}
        fits = weight.shape[-1:] == (width,) and weight.shape[-2:-1] == bias.shape[-1:]
        if not fits or not rows <= {(), (1,), (samples,)}:
            raise InvalidArgumentError(
                name,
                expected=f"weight [O, {width}] and bias [O], or {samples} of each",
                actual=f"{list(weight.shape)} and {list(bias.shape)}",
            )
        width = weight.shape[-2]
