"""Parts of discriminators: convolutions, the way of the camera, the spread of a batch, weights."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.generator.layers import FullyConnected
from itportrait.geometry.orbit import CAMERA_DIM
from itportrait.ops.bias_act.op import LEAKY_GAIN, LEAKY_SLOPE
from itportrait.ops.upfirdn2d import resample_filter, upfirdn2d

CAMERA_WIDTH = 512
"""Width of the layers through which the camera passes."""
_MAPPING_PACE = 0.01
_LARGEST = 256.0
"""Largest activation before a gain, so that half precision suffices."""


class Convolution(nn.Module):
    """A convolution with StyleGAN2's gain at run time, which may halve the side with a filter.

    Args:
        inputs: channels.
        outputs: channels.
        size: side of the kernel, 1 or 3.
        down: whether the side is halved.
        activate: whether a bias and a leaky ReLU follow.
    """

    filter: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        down: bool = False,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if activate else None
        self.gain = 1 / math.sqrt(inputs * size**2)
        self.size, self.down = size, down
        self.register_buffer("filter", resample_filter(), persistent=False)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """Map `[N, inputs, H, W]` to `[N, outputs, H, W]`, or half the side; times `gain`."""
        weight = (self.weight * self.gain).to(x.dtype)
        if self.down:
            around = (self.size + 1) // 2
            x = upfirdn2d(x, self.filter, padding=(around, around))
            x = F.conv2d(x, weight, stride=2)
        else:
            x = F.conv2d(x, weight, padding=self.size // 2)
        if self.bias is None:
            return x * gain
        x = F.leaky_relu(x + self.bias.to(x.dtype).view(-1, 1, 1), LEAKY_SLOPE)
        bound = _LARGEST * gain
        return (x * (LEAKY_GAIN * gain)).clamp(-bound, bound)


class CameraMapping(nn.Module):
    """From cameras to directions in which features are scored.

    Args:
        layers: number of fully connected layers after the first, which embeds.
        outputs: length of the direction.
    """

    def __init__(self, layers: int, outputs: int) -> None:
        super().__init__()
        widths = [CAMERA_WIDTH] * layers + [outputs]
        self.embed = FullyConnected(CAMERA_DIM, widths[0])
        self.layers = nn.Sequential(
            *(
                FullyConnected(a, b, activate=True, lr_mult=_MAPPING_PACE)
                for a, b in pairwise(widths)
            )
        )

    def forward(self, cameras: Tensor) -> Tensor:
        """Map `[N, 25]` to `[N, outputs]`."""
        x = self.embed(cameras)
        return self.layers(x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt())


def with_spread(x: Tensor, group: int) -> Tensor:
    """Return features `[N, C, H, W]` and a channel that tells how much groups of them differ.

    Args:
        x: `[N, C, H, W]`.
        group: pictures of a group; fewer where N is no multiple.
    """
    count = len(x)
    size = next(size for size in range(min(group, count), 0, -1) if count % size == 0)
    groups = x.view(size, count // size, *x.shape[1:])
    spread = (groups.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    channel = spread.repeat(size).view(count, 1, 1, 1).expand(-1, 1, *x.shape[2:])
    return torch.cat([x, channel], dim=1)


@torch.no_grad()
def draw_weights(module: nn.Module, rng: torch.Generator) -> None:
    """Draw all weights anew: those of the layers above, whose gains count when they run."""
    for part in module.modules():
        if isinstance(part, Convolution | FullyConnected):
            pace = part.bias_gain if isinstance(part, FullyConnected) else 1.0
            part.weight.copy_(torch.randn(part.weight.shape, generator=rng) / pace)
