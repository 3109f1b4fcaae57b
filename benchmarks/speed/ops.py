"""The ops of the generator at the published sizes: definition against what is chosen."""

from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.speed.actions import backward, forward
from benchmarks.speed.measure import Action
from itportrait.geometry.planes import PLANE_AXES
from itportrait.ops.bias_act import bias_act
from itportrait.ops.decode_features import decode_features
from itportrait.ops.dispatch import REFERENCE
from itportrait.ops.modulated_conv import modulated_conv2d
from itportrait.ops.sample_planes import sample_planes
from itportrait.ops.upfirdn2d import resample_filter, upsample2d
from itportrait.ops.upfirdn2d.reference import upfirdn2d_reference

LAYERS = ((32, 256, 128, 2), (256, 256, 256, 1), (256, 128, 256, 2), (128, 128, 512, 1))
"""Input channels, output channels, input side, upsampling: of the super-resolution to 512 px."""
QUICK_LAYERS = ((16, 32, 16, 2), (32, 32, 16, 1))


def op_actions(device: str, *, quick: bool) -> Iterator[Action]:
    """Return each op's forward pass, and each layer's with its way back too."""
    for inputs, outputs, side, up in QUICK_LAYERS if quick else LAYERS:
        yield from layer_actions(inputs, outputs, side, up, device)
    side, points = (16, 2**10) if quick else (256, 2**18)
    image = torch.randn(1, 96, side // 2, side // 2, device=device)
    kernel, bias = resample_filter().to(device), torch.randn(96, device=device)
    yield Action(
        f"upfirdn2d, 96 channels to {side} px",
        forward(lambda x: upfirdn2d_reference(x, kernel, 2, (2, 1), 4.0), image),
        forward(lambda x: upsample2d(x, kernel), image),
    )
    yield Action(
        f"bias_act, 96 channels of {side // 2} px",
        forward(partial(bias_act, bias=bias, backend=REFERENCE), image),
        forward(partial(bias_act, bias=bias), image),
    )
    flat = torch.randn(1, side, side, 96, device=device).permute(0, 3, 1, 2)
    planes, spots = flat.unflatten(1, (3, 32)), torch.rand(1, points, 3, device=device) * 2 - 1
    axes = PLANE_AXES["corrected"]
    yield Action(
        f"sample_planes, {points} points",
        forward(lambda x: sample_planes(x, spots, axes, backend=REFERENCE), planes),
        forward(lambda x: sample_planes(x, spots, axes), planes),
    )
    found = torch.randn(points, 32, device=device)
    hidden = torch.randn(64, 32, device=device) / 6, torch.randn(64, device=device)
    output = torch.randn(33, 64, device=device) / 8, torch.randn(33, device=device)
    yield Action(
        f"decode_features, {points} points",
        forward(lambda x: decode_features(x, hidden, output, backend=REFERENCE)[1], found),
        forward(lambda x: decode_features(x, hidden, output)[1], found),
    )


def layer_actions(inputs: int, outputs: int, side: int, up: int, device: str) -> Iterator[Action]:
    """Return a synthesis layer's forward pass, and with gradients of input and styles."""
    x = torch.randn(1, inputs, side, side, device=device)
    styles = 1 + 0.3 * torch.randn(1, inputs, device=device)
    weight = torch.randn(outputs, inputs, 3, 3, device=device)
    bias = torch.zeros(outputs, device=device)
    kernel = resample_filter().to(device) if up == 2 else None

    def layer(x: torch.Tensor, styles: torch.Tensor, backend: str = "auto") -> torch.Tensor:
        return modulated_conv2d(
            x, weight, styles, bias=bias, up=up, kernel=kernel, clamp=256.0, backend=backend
        )

    reference = partial(layer, backend=REFERENCE)
    last = torch.channels_last  # as layers hand it on; the published program has the other layout
    ours = x.contiguous(memory_format=last)
    name = f"modulated_conv2d, {inputs} to {outputs} channels, {side * up} px"
    yield Action(f"{name}, forward", forward(reference, x, styles), forward(layer, ours, styles))
    yield Action(
        f"{name}, forward and backward",
        backward(reference, x, styles),
        backward(layer, ours, styles),
    )
