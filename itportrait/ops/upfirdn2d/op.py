"""`upfirdn2d`: upsample, then filter; a depthwise convolution does both at once."""

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.dispatch import AUTO, Implementation, Op
from itportrait.ops.gpu import admit_gpu, triton_kernel
from itportrait.ops.upfirdn2d.depthwise import upfirdn2d_depthwise
from itportrait.ops.upfirdn2d.reference import upfirdn2d_reference


def refusal(tensors: list[Tensor]) -> str:
    """Return why kernels do not admit tensors: `x` and the filter."""
    if len(tensors) > 1 and tensors[1].requires_grad:
        return "takes a filter that is not trained"
    return admit_gpu(tensors)


UPFIRDN2D = Op(
    "upfirdn2d",
    upfirdn2d_reference,
    [
        triton_kernel("itportrait.kernels.upfirdn2d", "upfirdn2d_triton", refusal),
        Implementation("depthwise", upfirdn2d_depthwise),
    ],
)


def resample_filter() -> Tensor:
    """Return StyleGAN2's smoothing filter, `[4, 4]`: [1, 3, 3, 1] x [1, 3, 3, 1], of sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / taps.sum().square()


def upfirdn2d(
    x: Tensor,
    kernel: Tensor,
    *,
    up: int = 1,
    padding: tuple[int, int] = (0, 0),
    gain: float = 1.0,
    backend: str = AUTO,
) -> Tensor:
    """Insert `up - 1` zeros after every pixel, pad, and convolve each channel with a filter.

    Args:
        x: `[N, C, H, W]`.
        kernel: `[K, K]`.
        up: 1 or 2.
        padding: zeros before and after, the same in both directions.
        gain: factor on the result.
        backend: `auto`, `triton` (on a CUDA device; no gradient of the filter), `depthwise` or
            `reference`.

    Returns:
        `[N, C, H', W']` with `H' = up * H + sum(padding) - K + 1`.

    Raises:
        InvalidArgumentError: another `up`, a result without pixels, or no such backend.
        NativeOpError: `triton` was asked for and cannot be used.
    """
    if up not in (1, 2):
        raise InvalidArgumentError("up", expected="1 or 2", actual=up)
    size = kernel.shape[0]
    if min(up * side + sum(padding) - size + 1 for side in x.shape[2:]) < 1:
        raise InvalidArgumentError(
            "x", expected=f"of at least {size} pixels after padding", actual=list(x.shape)
        )
    return UPFIRDN2D(x, kernel, up, padding, gain, backend=backend)


def upsample2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Upsample `[N, C, H, W]` by two: each pixel keeps its weight of 1, spread by `kernel`."""
    size = kernel.shape[0]
    return upfirdn2d(x, kernel, up=2, padding=((size + 1) // 2, (size - 2) // 2), gain=4.0)
