"""Small U-Nets, one a portrait, that are run together as one network of grouped convolutions.

The shape is the published one: a convolution, a residual block, three halvings by strided
convolutions, three doublings with skip connections, a block, and a convolution to colors. All
weights of a network are one row of numbers, so that a batch of networks is one matrix that one
optimizer trains; no number of a row depends on another row.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import CheckpointError, InvalidArgumentError

_HALVINGS = 3
_MASK_AT_START = -2.0
"""Added to the mask before its sigmoid, so that painting over a picture begins at 12 percent."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a network.

    Args:
        channels: at the picture's own size; they double with each halving.
        from_picture: whether it gives colors and a mask, with which it paints over the picture.
    """

    channels: int
    from_picture: bool

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """Return channels out, channels in and side of the kernel of each convolution, by name."""
        width = [self.channels * 2**level for level in range(_HALVINGS + 1)]
        layers = {"enter": (width[0], 3, 1), **_block("first", width[0], width[0])}
        for level in range(_HALVINGS):
            layers[f"down{level}"] = (width[level + 1], width[level], 4)
        for level in reversed(range(_HALVINGS)):
            layers |= _block(f"up{level}", width[level], width[level + 1] + width[level])
        layers |= _block("last", width[0], width[0])
        return {**layers, "leave": (4 if self.from_picture else 3, width[0], 1)}

    @property
    def size(self) -> int:
        """Number of weights of a network."""
        return sum(_count(layer) for layer in self.layers().values())

    def initial(self, rng: torch.Generator) -> Tensor:
        """Return the weights of a new network, `[size]`: uniform within 1 / sqrt(inputs)."""
        values = torch.rand(self.size, generator=rng) * 2 - 1
        spans = [
            torch.full((_count(layer),), 1 / math.sqrt(layer[1] * layer[2] ** 2))
            for layer in self.layers().values()
        ]
        return values * torch.cat(spans)


def _block(name: str, channels_out: int, channels_in: int) -> dict[str, tuple[int, int, int]]:
    return {
        f"{name}.skip": (channels_out, channels_in, 1),
        f"{name}.conv0": (channels_out, channels_in, 3),
        f"{name}.conv1": (channels_out, channels_out, 3),
    }


def _count(layer: tuple[int, int, int]) -> int:
    """Return the number of weights: only 1 x 1 convolutions have a bias, others are normalized."""
    channels_out, channels_in, side = layer
    return channels_out * (channels_in * side**2 + (side == 1))


class Networks:
    """Networks of one shape.

    Args:
        shape: of each.
        weights: `[N, shape.size]`, with or without gradient.

    Raises:
        CheckpointError: the weights have another size.
    """

    def __init__(self, shape: Shape, weights: Tensor) -> None:
        if weights.shape[1:] != (shape.size,):
            raise CheckpointError(
                f"not networks of {shape}: expected {shape.size} weights each, got "
                f"{list(weights.shape[1:])}"
            )
        self.shape, self.weights, self.count = shape, weights, len(weights)

    def __call__(self, image: Tensor) -> Tensor:
        """Return what the networks make of pictures.

        Args:
            image: `[N, 3, H, W]` in [-1, 1], one a network; where there is one network, any number.
                Sides are multiples of 8 pixels.

        Returns:
            As many pictures, in [-1, 1].

        Raises:
            InvalidArgumentError: another number of pictures, or of pixels.
        """
        odd = any(side % 2**_HALVINGS for side in image.shape[2:])
        if odd or self.count not in (1, len(image)):
            raise InvalidArgumentError(
                "image",
                expected=f"{self.count} pictures, sides multiples of {2**_HALVINGS}",
                actual=list(image.shape),
            )
        pixels = (image.reshape(-1, self.count * 3, *image.shape[2:]) + 1) / 2
        out = self._run(pixels)
        if not self.shape.from_picture:
            return out.sigmoid().reshape(image.shape) * 2 - 1
        out = out.reshape(len(image), 4, *image.shape[2:])
        mask = (out[:, 3:] + _MASK_AT_START).sigmoid()
        return image + mask * (out[:, :3].sigmoid() * 2 - 1 - image)

    def _run(self, pixels: Tensor) -> Tensor:
        kernels = self._kernels()

        def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
            weight, bias = kernels[name]
            padding = (weight.shape[-1] - 1) // 2
            return F.conv2d(x, weight, bias, stride, padding, groups=self.count)

        def normed(x: Tensor) -> Tensor:
            return F.relu(F.instance_norm(x))

        def block(x: Tensor, name: str) -> Tensor:
            inner = normed(conv(x, f"{name}.conv0"))
            return normed(conv(inner, f"{name}.conv1")) + conv(x, f"{name}.skip")

        x = block(conv(pixels, "enter"), "first")
        skips: list[Tensor] = []
        for level in range(_HALVINGS):
            skips.append(x)
            x = normed(conv(x, f"down{level}", stride=2))
        for level in reversed(range(_HALVINGS)):
            larger = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(self._joined(larger, skips[level]), f"up{level}")
        return conv(block(x, "last"), "leave")

    def _joined(self, a: Tensor, b: Tensor) -> Tensor:
        """Join channels network by network."""
        parts = [x.reshape(len(x), self.count, -1, *x.shape[2:]) for x in (a, b)]
        return torch.cat(parts, 2).flatten(1, 2)

    def _kernels(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Return weight and bias of each grouped convolution."""
        kernels: dict[str, tuple[Tensor, Tensor | None]] = {}
        start = 0
        for name, layer in self.shape.layers().items():
            channels_out, channels_in, side = layer
            values = self.weights[:, start : start + _count(layer)]
            start += _count(layer)
            split = channels_out * channels_in * side**2
            weight = values[:, :split].reshape(-1, channels_in, side, side)
            kernels[name] = weight, values[:, split:].reshape(-1) if side == 1 else None
        return kernels
