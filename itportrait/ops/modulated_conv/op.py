"""`modulated_conv2d`: the synthesis layer of StyleGAN2."""

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.dispatch import AUTO, Implementation, Op
from itportrait.ops.loader import absence
from itportrait.ops.modulated_conv.cpu import SOURCE, modulated_conv2d_cpu, refusal
from itportrait.ops.modulated_conv.reference import modulated_layer_reference
from itportrait.ops.modulated_conv.scaled import modulated_conv2d_scaled

MODULATED_CONV = Op(
    "modulated_conv2d",
    modulated_layer_reference,
    [
        Implementation("cpu", modulated_conv2d_cpu, refusal, lambda: absence(SOURCE)),
        Implementation("scaled", modulated_conv2d_scaled),
    ],
)


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    bias: Tensor,
    noise: Tensor | None = None,
    demodulate: bool = True,
    up: int = 1,
    kernel: Tensor | None = None,
    slope: float = 0.2,
    gain: float = 2**0.5,
    clamp: float | None = None,
    backend: str = AUTO,
) -> Tensor:
    """Convolve, with the styles, then noise, bias, activation and clamp.

    Args:
        x: `[N, I, H, W]`.
        weight: `[O, I, K, K]`, K odd, or `[N, O, I, K, K]`: weights of its own for each sample.
        styles: `[N, I]`, a factor per input channel.
        bias: `[O]` or `[N, O]`.
        noise: `[H', W']` or `[N, 1, H', W']`, added before the bias.
        demodulate: whether each output channel's weights are scaled to unit norm.
        up: 1 or 2; 2 is a transposed convolution (of K = 3) smoothed with `kernel`.
        kernel: `[4, 4]`, needed for `up=2`.
        slope, gain, clamp: as in `bias_act`.
        backend: `auto`, `cpu` (native; float32, 3 x 3 weights for the whole batch, differentiable
            once), `scaled` or `reference`.

    Returns:
        `[N, O, H', W']` with `H' = up * H`.

    Raises:
        InvalidArgumentError: shapes that do not fit, another `up`, `up=2` without
            `kernel`, or no such backend.
        NativeOpError: `cpu` was asked for and cannot be used.

    Source:
        StyleGAN2 (Karras et al., CVPR 2020), section 2.2. In half precision weights and styles
        are first divided by their largest magnitude, as StyleGAN2-ADA does, so that the sums do
        not overflow; demodulation cancels it.
    """
    _check(x, weight, styles, up, kernel)
    return MODULATED_CONV(
        x,
        weight,
        styles,
        bias,
        noise,
        demodulate=demodulate,
        up=up,
        kernel=kernel,
        slope=slope,
        gain=gain,
        clamp=clamp,
        backend=backend,
    )


def _check(x: Tensor, weight: Tensor, styles: Tensor, up: int, kernel: Tensor | None) -> None:
    if weight.ndim < 4:
        raise InvalidArgumentError(
            "weight", expected=f"[O, {x.shape[1]}, K, K]", actual=list(weight.shape)
        )
    samples, channels, size = weight.shape[:-4], weight.shape[-3], weight.shape[-1]
    if len(samples) > 1 or (samples and samples[0] != len(x)):
        raise InvalidArgumentError(
            "weight",
            expected=f"[O, I, K, K], or [{len(x)}, O, I, K, K]",
            actual=list(weight.shape),
        )
    if channels != x.shape[1] or size % 2 == 0:
        raise InvalidArgumentError(
            "weight", expected=f"[O, {x.shape[1]}, K, K] with odd K", actual=list(weight.shape)
        )
    if styles.shape != x.shape[:2]:
        raise InvalidArgumentError(
            "styles", expected=str(list(x.shape[:2])), actual=list(styles.shape)
        )
    if up not in (1, 2) or (up == 2 and (kernel is None or size != 3)):
        raise InvalidArgumentError(
            "up", expected="1, or 2 with a kernel and 3 x 3 weights", actual=up
        )
