"""The small networks (perceptual, identity, encoder): their convolutional trunk and their files."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.image import resize
from itportrait.perception.files import read_network, save_network

TRUNK_SIZE = 128
"""Side in pixels to which pictures are resized before the trunk."""
_MOST_CONVOLUTIONS = 256


def check_image(image: Tensor) -> None:
    """Refuse what is not a batch of pictures.

    Raises:
        InvalidArgumentError: the shape is not `[N, 3, H, W]`, or the type not floating.
    """
    if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
        raise InvalidArgumentError(
            "image",
            expected="floats of shape [N, 3, H, W] in [-1, 1]",
            actual=f"{image.dtype} {list(image.shape)}",
            remedy="convert uint8 pictures with itportrait.image.to_tensor",
        )


class _Unit(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.1)


class ConvTrunk(nn.Module):
    """Stages of strided 3x3 convolutions; each stage's last activation is a feature map.

    Args:
        widths: channels of the stages; each halves the side, from 128 pixels.
        depths: convolutions of the stages.
    """

    def __init__(
        self, widths: tuple[int, ...] = (24, 48, 64, 96), depths: tuple[int, ...] = (1, 2, 2, 2)
    ) -> None:
        super().__init__()
        self.widths, self.depths = tuple(widths), tuple(depths)
        stages, inputs = [], 3
        for width, depth in zip(widths, depths, strict=True):
            units = [_Unit(inputs, width, stride=2)]
            units += [_Unit(width, width, stride=1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*units))
            inputs = width
        self.stages = nn.ModuleList(stages)

    @classmethod
    def of(cls, config: dict[str, Any]) -> Self:
        """Build from the `widths` and `depths` of a file's configuration.

        Raises:
            ValueError: it has more convolutions than any trunk.
        """
        if sum(config["depths"]) > _MOST_CONVOLUTIONS:
            raise ValueError(f"depths of more than {_MOST_CONVOLUTIONS} convolutions")
        return cls(tuple(config["widths"]), tuple(config["depths"]))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of all stages, largest first, of pictures of any size."""
        check_image(image)
        x, features = resize(image, TRUNK_SIZE), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def pooled_size(self, stages: int = 2) -> int:
        """Return the length of `pool`'s vectors."""
        return sum(self.widths[-stages:])

    @staticmethod
    def pool(features: list[Tensor], stages: int = 2) -> Tensor:
        """Return `[N, D]`: spatial means of the last feature maps, side by side."""
        return torch.cat([item.mean((2, 3)) for item in features[-stages:]], dim=1)


class TrunkNetwork(nn.Module):
    """Base of the small networks: one whose file holds the sizes that its constructor takes.

    Args:
        trunk: convolutions.
        sizes: further arguments of the subclass, by name; `load` gives them back to it.
    """

    name: str

    def __init__(self, trunk: ConvTrunk, **sizes: int) -> None:
        super().__init__()
        self.trunk, self._sizes = trunk, sizes

    def save(self, path: str | Path) -> None:
        """Write weights (fp16) and configuration to one safetensors file."""
        config = {"widths": self.trunk.widths, "depths": self.trunk.depths}
        save_network(self, config | self._sizes, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote.

        Raises:
            MissingModelError: no such file.
            CheckpointError: the file does not hold this network.
        """

        def build(config: dict[str, Any]) -> Self:
            sizes = {key: config[key] for key in config if key not in ("widths", "depths")}
            return cls(ConvTrunk.of(config), **sizes)

        return read_network(path, build)
