"""`decode_features`: the decoder of a tri-plane generator; native on a CPU."""

from functools import partial

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.ops.decode_features.cpu import SOURCE, decode_features_cpu
from itportrait.ops.decode_features.reference import Layer, decode_features_reference
from itportrait.ops.dispatch import AUTO, Implementation, Op, admit_cpu_float32
from itportrait.ops.loader import absence

DECODE_FEATURES = Op(
    "decode_features",
    decode_features_reference,
    [Implementation("cpu", decode_features_cpu, admit_cpu_float32, partial(absence, SOURCE))],
)


def decode_features(
    features: Tensor, hidden: Layer, output: Layer, *, backend: str = AUTO
) -> tuple[Tensor, Tensor]:
    """Map features to density and colors: linear, softplus, linear, sigmoid of all but the first.

    Args:
        features: `[M, C]`.
        hidden: weight `[H, C]` and bias `[H]`.
        output: weight `[1 + K, H]` and bias `[1 + K]`; K may be 0.
        backend: `auto`, `cpu` (native, for float32; differentiable once, in everything) or
            `reference`.

    Returns:
        `(sigma [M, 1], color [M, K])`: density before its softplus, colors in (0, 1).

    Raises:
        InvalidArgumentError: shapes that do not fit, or no such backend.
        NativeOpError: `cpu` was asked for and cannot be used.
    """
    _check(features, hidden, output)
    return DECODE_FEATURES(features, hidden, output, backend=backend)


def _check(features: Tensor, hidden: Layer, output: Layer) -> None:
    if features.ndim != 2:
        raise InvalidArgumentError("features", expected="[M, C]", actual=list(features.shape))
    width = features.shape[1]
    for name, (weight, bias) in (("hidden", hidden), ("output", output)):
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise InvalidArgumentError(
                name,
                expected=f"weight [O, {width}] and bias [O]",
                actual=f"{list(weight.shape)} and {list(bias.shape)}",
            )
        width = weight.shape[0]
