"""The dual discriminator: it sees a picture beside its raw version, and is told the camera.

Source: EG3D (Chan et al., CVPR 2022), section 4.3: StyleGAN2's residual discriminator over six
channels, which keeps super-resolution faithful to the rendering. The second form is ours, after
"Projected GANs Converge Faster" (Sauer et al., NeurIPS 2021): heads on a frozen network.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.adversarial.augment import enlarged
from itportrait.adversarial.config import AdversarialConfig
from itportrait.adversarial.parts import CameraMapping, Convolution, with_spread
from itportrait.adversarial.shown import Shown
from itportrait.generator.layers import FullyConnected
from itportrait.image import resize
from itportrait.losses.models import Layered

_CHANNELS = 6
"""Of a picture and its raw version."""
_LAST_SIDE = 4


class Discriminator(nn.Module, ABC):
    """Scores of pictures: positive for what it takes for real."""

    @abstractmethod
    def forward(self, shown: Shown) -> Tensor:
        """Return scores `[N, K]`: one a picture, or one for each place that is judged.

        Args:
            shown: pictures of the generator's size.
        """


class _Block(nn.Module):
    """Two convolutions beside a short cut, to half the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = Convolution(inputs, inputs, 3)
        self.conv1 = Convolution(inputs, outputs, 3, down=True)
        self.skip = Convolution(inputs, outputs, 1, down=True, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        short = self.skip(x, math.sqrt(0.5))
        return short + self.conv1(self.conv0(x), math.sqrt(0.5))


class LearnedDiscriminator(Discriminator):
    """StyleGAN2's residual discriminator, from nothing.

    Args:
        config: sizes.
        side: of the pictures, a power of two from 8 up.
    """

    def __init__(self, config: AdversarialConfig, side: int) -> None:
        super().__init__()
        self.group, self.half_blocks = config.group, config.half_blocks

        def channels(side: int) -> int:
            return min(config.channel_base // side, config.channel_max)

        sides = [side >> level for level in range(side.bit_length() - 3)]  # the last is 8
        self.from_rgb = Convolution(_CHANNELS, channels(side), 1)
        self.blocks = nn.ModuleList(_Block(channels(side), channels(side // 2)) for side in sides)
        width = channels(_LAST_SIDE)
        self.conv = Convolution(width + 1, width, 3)
        self.hidden = FullyConnected(width * _LAST_SIDE**2, width, activate=True)
        self.out = FullyConnected(width, width)
        self.mapping = CameraMapping(config.mapping_layers, width)

    def forward(self, shown: Shown) -> Tensor:
        x = torch.cat([shown.image, enlarged(shown.image_raw, shown.image.shape[-1])], dim=1)
        halves = self.half_blocks if x.is_cuda else 0
        x = self.from_rgb(x.half() if halves else x)
        for level, block in enumerate(self.blocks):
            x = block(x if level < halves else x.float())
        x = self.conv(with_spread(x.float(), self.group))
        x = self.out(self.hidden(x.flatten(1)))
        wanted = self.mapping(shown.cameras)
        return (x * wanted).sum(1, keepdim=True) / math.sqrt(x.shape[1])


class _Head(nn.Module):
    """From features and colors of one side to a score for each place of a quarter of it."""

    def __init__(self, inputs: int, width: int, mapping_layers: int) -> None:
        super().__init__()
        self.first = Convolution(inputs, width, 3)
        self.second = Convolution(width, width, 3, down=True)
        self.third = Convolution(width, width, 1, activate=False)
        self.plain = Convolution(width, 1, 1, activate=False)
        self.mapping = CameraMapping(mapping_layers, width)

    def forward(self, features: Tensor, cameras: Tensor) -> Tensor:
        x = self.second(self.first(features))
        wanted = self.mapping(cameras)[:, :, None, None]
        told = (self.third(x) * wanted).sum(1, keepdim=True) / math.sqrt(x.shape[1])
        return (told + self.plain(x)).flatten(1)


class PerceptualDiscriminator(Discriminator):
    """Small heads on the maps of a frozen network, each of which judges every place of its map.

    A head sees the maps, scaled to unit length at each place, and beside them the colors of picture
    and raw version at the map's size.

    Args:
        config: sizes.
        side: of the pictures.
        model: the frozen network.
    """

    def __init__(self, config: AdversarialConfig, side: int, model: Layered) -> None:
        super().__init__()
        self._frozen = [model]  # in a list: it is shared, not trained, and kept with no state
        with torch.no_grad():
            maps = model.features(_blank(model, side))
        widths = [item.shape[1] for item in maps if item.shape[-1] >= _LAST_SIDE]
        self.heads = nn.ModuleList(
            _Head(width + _CHANNELS, config.channel_max, config.mapping_layers) for width in widths
        )

    def forward(self, shown: Shown) -> Tensor:
        side = shown.image.shape[-1]
        colors = torch.cat([shown.image, enlarged(shown.image_raw, side)], dim=1)
        maps = self._frozen[0].features(shown.image)
        scores: list[Tensor] = []
        for head, features in zip(self.heads, maps):
            size = features.shape[-1]
            seen = F.normalize(features, dim=1) * math.sqrt(features.shape[1])
            scores.append(head(torch.cat([seen, resize(colors, size)], dim=1), shown.cameras))
        return torch.cat(scores, dim=1)


def _blank(model: Layered, side: int) -> Tensor:
    device = next(model.parameters()).device if isinstance(model, nn.Module) else None
    return torch.zeros(1, 3, side, side, device=device)


def make_discriminator(config: AdversarialConfig, side: int, model: Layered) -> Discriminator:
    """Return the discriminator that the settings ask for.

    Args:
        config: which one, and its sizes.
        side: of the pictures.
        model: the frozen network that the second form looks with.
    """
    if config.features == "learned":
        return LearnedDiscriminator(config, side)
    return PerceptualDiscriminator(config, side, model)
