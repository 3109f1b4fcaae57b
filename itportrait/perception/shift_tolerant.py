"""A perceptual distance on VGG-16 that hardly sees shifts of a pixel: LPIPS with blurred pooling.

Papers: Zhang et al., "The unreasonable effectiveness of deep features", CVPR 2018, eq. 1; Zhang,
"Making convolutional networks shift-invariant again", ICML 2019: a pooling of stride 2 is one of
stride 1, a blur by [1, 2, 1] / 4 along both sides, and then every second value; Ghildyal and Liu,
"Shift-tolerant perceptual similarity metric", ECCV 2022, whose weights it takes. Difference: the
weights alone are of that work. How pictures are padded is ours (zeros at convolutions, as in
VGG-16, and mirrored at blurs), so distances may differ a little from the authors'.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.image import resize
from itportrait.perception.files import read_network
from itportrait.perception.perceptual import LpipsModel
from itportrait.perception.rectified import convolve_rectified
from itportrait.perception.trunk import check_image

KIND = "shift-tolerant-vgg"
"""What the file of such a network says of itself under `kind`."""
WIDTHS, DEPTHS = (64, 128, 256, 512, 512), (2, 2, 3, 3, 3)
BLUR = (1.0, 2.0, 1.0)
_MOST_CONVOLUTIONS = 64
_SIZE = 256


class BlurredVgg(nn.Module):
    """VGG's convolutions with blurred pooling, and a weight for each channel of each stage.

    Args:
        widths: channels of the stages; each but the first halves the side.
        depths: convolutions of the stages.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, widths: tuple[int, ...] = WIDTHS, depths: tuple[int, ...] = DEPTHS) -> None:
        super().__init__()
        if len(widths) != len(depths) or sum(depths) > _MOST_CONVOLUTIONS:
            raise ValueError(f"{len(widths)} widths and depths of {sum(depths)} convolutions")
        self.register_buffer("shift", torch.zeros(3))
        self.register_buffer("scale", torch.ones(3))
        stages, inputs = [], 3
        for width, depth in zip(widths, depths, strict=True):
            sizes = [inputs, *[width] * depth]
            stages.append(nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in pairwise(sizes)))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ParameterList(torch.zeros(width) for width in widths)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the last map of each stage of `[N, 3, H, W]` in [-1, 1]."""
        x, features = (image - self.shift[:, None, None]) / self.scale[:, None, None], []
        for number, stage in enumerate(self.stages):
            x = pool_blurred(x) if number else x
            for convolution in stage:  # pyright: ignore[reportGeneralTypeIssues]
                x = convolve_rectified(x, convolution)
            features.append(x)
        return features


def pool_blurred(x: Tensor) -> Tensor:
    """Return the largest of 2 x 2 values at each place of `[N, C, H, W]`, blurred, every second."""
    x = F.max_pool2d(x, 2, stride=1)
    line = x.new_tensor(BLUR) / sum(BLUR)
    kernel = (line[:, None] * line).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), kernel, stride=2, groups=x.shape[1])


class ShiftTolerantModel(LpipsModel):
    """Perceptual distance by `BlurredVgg`.

    Args:
        network: the network.
    """

    name = "stlpips-vgg"

    def __init__(self, network: BlurredVgg) -> None:
        nn.Module.__init__(self)
        self.network = network

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a converted file, such as `itportrait models get stlpips-vgg` writes.

        Raises:
            MissingModelError: no such file.
            CheckpointError: the file does not hold this network.
        """

        def build(config: dict[str, Any]) -> BlurredVgg:
            return BlurredVgg(tuple(config["widths"]), tuple(config["depths"]))

        return cls(read_network(path, build))

    def distance(self, a: Tensor, b: Tensor, *, size: int = _SIZE) -> Tensor:
        """Compare pictures pairwise, both resized to `size`; see `PerceptualModel.distance`."""
        return super().distance(a, b, size=size)

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return `distance` `[N]` of two batches by their feature maps."""
        parts = [
            (F.normalize(x, dim=1, eps=1e-6) - F.normalize(y, dim=1, eps=1e-6))
            .square()
            .mul(head[:, None, None])
            .sum(1)
            .mean((1, 2))
            for x, y, head in zip(a, b, self.network.heads, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def features(self, image: Tensor, *, size: int = _SIZE) -> list[Tensor]:
        """Return the feature maps of `[N, 3, H, W]` in [-1, 1]; keep them for a fixed target."""
        check_image(image)
        return self.network(resize(image, size))
