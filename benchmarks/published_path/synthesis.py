"""Synthesis blocks as published: a grouped convolution, and every step after it a pass of its own.

Each sample's weights are modulated and convolved as one group. A layer that doubles the size is a
transposed convolution, then zeros around it, then the filter. Noise, bias, activation, gain and
clamp follow one after the other.
"""

from collections.abc import Iterable

from torch import Tensor

from itportrait.generator.layers import SynthesisBlock, SynthesisLayer, ToRgb
from itportrait.ops.bias_act.op import LEAKY_GAIN, LEAKY_SLOPE
from itportrait.ops.bias_act.reference import bias_act_reference
from itportrait.ops.modulated_conv.reference import modulated_conv2d_reference
from itportrait.ops.upfirdn2d.reference import upfirdn2d_reference


def run_block(
    block: SynthesisBlock, x: Tensor | None, image: Tensor | None, ws: Iterable[Tensor], noisy: bool
) -> tuple[Tensor, Tensor]:
    """Refine features and skip image by one level; arguments as in `SynthesisBlock`.

    Args:
        block: holds the weights.
        x: `[N, in, H, W]`, or none for the first block.
        image: skip image, or none.
        ws: one `[N, w_dim]` for each layer.
        noisy: whether layers that have noise add it.
    """
    left = iter(ws)
    if x is None:
        w = next(left)
        x = block.const[None].repeat(len(w), 1, 1, 1)
    else:
        x = run_layer(block.conv0, x, next(left), noisy)
        w = next(left)
    x = run_layer(block.conv1, x, w, noisy)
    if image is not None and block.up:
        image = upfirdn2d_reference(image, block.resample_filter, 2, (2, 1), 4.0)
    rgb = run_rgb(block.torgb, x, next(left))
    return x, rgb if image is None else image + rgb


def run_layer(layer: SynthesisLayer, x: Tensor, w: Tensor, noisy: bool) -> Tensor:
    """Map `[N, in, H, W]` and w `[N, w_dim]` to `[N, out, up * H, up * W]`."""
    filtered = layer.resample_filter if layer.up > 1 else None
    x = modulated_conv2d_reference(x, layer.weight, layer.affine(w), True, layer.up, filtered)
    if noisy and layer.use_noise:
        x = x.add_(layer.noise_const * layer.noise_strength)
    return bias_act_reference(x, layer.bias, None, LEAKY_SLOPE, LEAKY_GAIN, layer.conv_clamp)


def run_rgb(layer: ToRgb, x: Tensor, w: Tensor) -> Tensor:
    """Map `[N, in, H, W]` and w `[N, w_dim]` to `[N, out, H, W]`."""
    styles = layer.affine(w) * layer.weight_gain
    x = modulated_conv2d_reference(x, layer.weight, styles, False, 1, None)
    x = x + layer.bias[:, None, None]
    limit = layer.conv_clamp
    return x if limit is None else x.clamp(-limit, limit)
