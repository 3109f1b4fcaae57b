"""`render_refined`: volume rendering with samples of its own choice, in one op."""

from functools import partial

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.dispatch import AUTO, Implementation, Op
from itportrait.ops.loader import absence
from itportrait.ops.render_rays import cpu
from itportrait.ops.render_rays.op import RENDER_RAYS, check_inputs
from itportrait.ops.render_rays.reference import Composite, Space, render_rays_reference
from itportrait.ops.render_rays.refining import in_two_passes

RENDER_REFINED = Op(
    "render_refined",
    in_two_passes(render_rays_reference),
    [Implementation("cpu", cpu.render_refined_cpu, cpu.refusal, partial(absence, cpu.SOURCE))],
)


def render_refined(
    planes: Tensor,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    hidden: Layer,
    output: Layer,
    quantiles: Tensor,
    space: Space,
    *,
    keep: int = 1,
    with_weights: bool = False,
    backend: str = AUTO,
) -> tuple[Composite, Tensor]:
    """Render coarse samples, draw fine ones where those have weight, and render both together.

    Args:
        planes, origins, directions, hidden, output, space, with_weights: as in `render_rays`.
        depths: of the coarse samples, as in `render_rays`.
        quantiles: `[N, M, L]` in [0, 1], L at least 1, of the distribution that the fine samples
            are drawn from; or `[L]` for all rays.
        keep: every `keep`-th coarse sample is rendered with the fine ones; the others guide alone.
        backend: `auto`, `cpu` (native, as in `render_rays`; decodes each sample once, and none that
            less than 1e-9 of the light reaches) or `reference`. Where `auto` finds no native code
            for both passes, it does each by `render_rays`.

    Returns:
        What the rays carry, and the depths `[N, M, ceil(K / keep) + L]` of the samples that were
        rendered, ascending and without gradient.

    Raises:
        InvalidArgumentError: shapes that do not fit, or no such backend.
        NativeOpError: `cpu` was asked for and cannot be used.

    Source:
        EG3D (Chan et al., CVPR 2022), section 4.3.
    """
    check_inputs(planes, origins, directions, depths, hidden, output)
    rays = depths.shape[:2]
    if quantiles.shape[:-1] not in ((), rays) or not quantiles.numel():
        raise InvalidArgumentError(
            "quantiles",
            expected=f"[{', '.join(map(str, rays))}, L] or [L] with L >= 1",
            actual=list(quantiles.shape),
        )
    if keep < 1:
        raise InvalidArgumentError("keep", expected="at least 1", actual=keep)
    tensors = planes, origins, directions, depths, hidden, output, quantiles
    if backend == AUTO and not RENDER_REFINED.is_native(*tensors):
        return in_two_passes(RENDER_RAYS)(*tensors, space, keep, with_weights)
    return RENDER_REFINED(*tensors, space, keep, with_weights, backend=backend)
