"""Style space: the outputs of the affine maps that turn a code into the styles of convolutions.

The maps of to-RGB layers are left out, as published. A channel is one output of one map; channels
are counted through the layers, coarse to fine. All channels of a layer come from one row of the
code. To add to a channel is to add to the map's bias, and to set it is to set a bias and to clear a
row of the map's weights, so that a changed style is a generator with other values of some
parameters (`itportrait.generator.substitutes`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Generator
from itportrait.generator.substitutes import substituted

_AFFINE = "affine"


@dataclass(frozen=True)
class StyleLayer:
    """The affine map of one convolution.

    Args:
        name: of the module in the generator.
        row: of the code, which it reads.
        channels: places of its outputs in style space.
    """

    name: str
    row: int
    channels: range

    @property
    def bias(self) -> str:
        """Name of the parameter that a shift of its channels is added to."""
        return f"{self.name}.bias"

    def styles(self, generator: Generator, ws: Tensor) -> Tensor:
        """Return the layer's styles `[N, channels]` of codes `[N, num_ws, w_dim]`."""
        affine: nn.Module = generator.get_submodule(self.name)
        return affine(ws[:, self.row])

    def with_channel(self, generator: Generator, channel: int, value: float) -> Generator:
        """Return the generator with one channel set to a value, whatever the code.

        Args:
            generator: the base. It is not changed.
            channel: place in style space.
            value: of the style.
        """
        place, weight = channel - self.channels.start, f"{self.name}.weight"
        weights = generator.get_parameter(weight).detach().clone()
        biases = generator.get_parameter(self.bias).detach().clone()
        weights[place], biases[place] = 0, value
        return substituted(generator, {weight: weights, self.bias: biases})


def style_layers(generator: Generator) -> list[StyleLayer]:
    """Return the layers of style space, coarse to fine.

    Raises:
        InvalidArgumentError: the generator cannot tell its layers by rows, or none has such a map.
    """
    biases = {name: len(bias) for name, bias in generator.named_parameters() if bias.ndim == 1}
    layers, start = list[StyleLayer](), 0
    for row, prefixes in enumerate(generator.row_layers):
        for name in (f"{prefix}{_AFFINE}" for prefix in prefixes):
            if count := biases.get(f"{name}.bias"):
                layers.append(StyleLayer(name, row, range(start, start + count)))
                start += count
    if not layers:
        raise InvalidArgumentError(
            "generator",
            expected="one whose rows of the code reach convolutions through affine maps",
            actual=f"{type(generator).__name__} without any",
            remedy="choose form: optimization",
        )
    return layers


@torch.no_grad()
def style_statistics(
    generator: Generator, layers: list[StyleLayer], codes: Iterator[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, `[channels]` float32.

    Args:
        generator: the base.
        layers: of `style_layers`.
        codes: batches of random codes.
    """
    count, total, squares = 0, cast("Tensor | float", 0.0), cast("Tensor | float", 0.0)
    for ws in codes:
        styles = torch.cat([layer.styles(generator, ws) for layer in layers], 1).double()
        count += len(ws)
        total, squares = total + styles.sum(0), squares + styles.square().sum(0)
    mean = torch.as_tensor(total) / count
    variance = torch.as_tensor(squares) / count - mean.square()
    return mean.float(), variance.clamp_min(0).sqrt().float()
