"""Convolutions followed by a ReLU, as VGG is made of, in one pass where native code is quicker."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.ops.modulated_conv import MODULATED_CONV, modulated_conv2d

WEIGHTS_PER_TILE = 1024
"""Pairs of channels for which a picture must have one more tile of 4 x 4 pixels: with fewer, the
time of a native convolution is that of transforming its weights."""


def convolve_rectified(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Return the ReLU of a convolution's result; differentiable once where native code computes it.

    Args:
        x: `[N, I, H, W]`.
        convolution: of any kind; one of 3 x 3 pixels with a bias that keeps the size can be native.
    """
    weight, bias = convolution.weight, convolution.bias
    if bias is not None and _keeps_size(convolution) and _is_native(x, weight, bias):
        ones = x.new_ones(x.shape[:2])
        options = {"demodulate": False, "slope": 0.0, "gain": 1.0, "backend": "cpu"}
        return modulated_conv2d(x, weight, ones, bias=bias, **options)  # pyright: ignore[reportArgumentType]
    return F.relu(convolution(x))


def run_rectified(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Return what layers make of `x` in turn; convolutions are done with the ReLUs after them."""
    waiting: nn.Conv2d | None = None
    for layer in layers:
        if waiting is not None and isinstance(layer, nn.ReLU):
            x, waiting = convolve_rectified(x, waiting), None
            continue
        x, waiting = x if waiting is None else waiting(x), None
        if isinstance(layer, nn.Conv2d):
            waiting = layer
        else:
            x = layer(x)
    return x if waiting is None else waiting(x)


def _keeps_size(convolution: nn.Conv2d) -> bool:
    shape = (convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation)
    plain = convolution.groups == 1 and convolution.padding_mode == "zeros"
    return plain and shape == ((3, 3), (1, 1), (1, 1), (1, 1))


def _is_native(x: Tensor, weight: Tensor, bias: Tensor) -> bool:
    native = next(item for item in MODULATED_CONV.implementations if item.name == "cpu")
    if torch.is_autocast_enabled("cpu") or native.refusal([x, weight, bias]) or native.absence():
        return False
    tiles = len(x) * -(-x.shape[2] // 4) * -(-x.shape[3] // 4)
    return tiles >= weight.shape[0] * weight.shape[1] // WEIGHTS_PER_TILE
