"""A network that predicts, pass by pass, what a portrait changes in a generator.

Paper: "HyperStyle: StyleGAN Inversion with HyperNetworks for Real Image Editing" (Alaluf et al.,
CVPR 2022). As there, each pass sees the portrait and the present reconstruction, and what the
passes change adds up. Differences: a pass is also told the gradient of the reconstruction's squared
error, which takes one backward pass through the generator. The network is thus a learned update of
fixed length: it replaces an optimizer's many steps, and no loss is minimized for a portrait. And
what changes are a few thousand numbers (biases, the constant input, code, camera), not kernels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.perception.files import read_network, save_network

PICTURE_SIZE = 64
"""Side in pixels of the pictures that the network is shown."""
WIDTHS = (32, 48, 64, 96)
"""Channels of the convolutions, each of which halves the side."""
_FEATURES = 128
_LARGEST_CHANGE = 0.3
"""Largest root mean square of what a pass changes, in units of the entries."""
_LARGEST_RATE = 2.0
"""Largest logarithm of the factor on a rate."""
_LARGEST_MOMENTUM = 0.9
"""Largest share of the former change that goes on."""


class Former(NamedTuple):
    """What the former pass knew and did."""

    seen: Tensor
    """`[N, rank]`: its gradient along the network's directions."""
    moved: Tensor
    """`[N, rank]`: its change along them."""
    change: Tensor
    """`[N, D]`: all of its change."""


@dataclass(frozen=True)
class Evidence:
    """What a pass is told of N portraits.

    Args:
        picture: `[N, 3, 64, 64]` in [-1, 1]: the portraits.
        render: the same of the present reconstructions.
        gradient: `[N, D]`: of half the summed squared error of the whole pictures.
        error: `[N]`: half that sum.
        angles: `[N, 4]`: yaw and pitch, first of the cameras, then as the encoder sees them.
    """

    picture: Tensor
    render: Tensor
    gradient: Tensor
    error: Tensor
    angles: Tensor


class HyperNetwork(nn.Module):
    """Evidence of portraits -> change of the numbers that make them.

    The change is the gradient with learned rates of three kinds. Along `rank` directions, which
    are learned, each rate is the network's choice for the portrait, and so is a part that does not
    follow the gradient. Elsewhere there is one rate for each part of the numbers. And a share of
    the former change goes on.

    Args:
        sizes: numbers of each part of a vector of changes, D in all.
        rank: number of directions.
        passes: number of passes.
        hidden: width of the hidden layers.
    """

    scales: Tensor

    def __init__(
        self, sizes: Sequence[int], *, rank: int = 160, passes: int = 6, hidden: int = 384
    ) -> None:
        super().__init__()
        self.sizes, self.rank, self.passes, self.hidden = tuple(sizes), rank, passes, hidden
        parts, size = len(self.sizes), sum(self.sizes)
        self.register_buffer("scales", torch.ones(2))  # of the directions, and of the other rates
        self.seeing = nn.Parameter(torch.randn(rank, size))
        self.moving = nn.Parameter(torch.zeros(rank, size))
        self.rates = nn.Parameter(torch.zeros(passes, rank))
        self.other_rates = nn.Parameter(torch.zeros(passes, parts))
        self.momentum = nn.Parameter(torch.zeros(passes, parts))
        self.entries = nn.Parameter(torch.zeros(size))
        inputs = (9, *WIDTHS[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, 1) for before, after in zip(inputs, WIDTHS, strict=True)
        )
        side = PICTURE_SIZE // 2 ** len(WIDTHS)
        self.features = nn.Linear(WIDTHS[-1] * side**2, _FEATURES)
        self.first = nn.Linear(3 * rank + _FEATURES + 4 + 2 + passes, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.choice = nn.Linear(hidden, 2 * rank + 1 + 2 * parts)
        nn.init.zeros_(self.choice.weight)
        nn.init.zeros_(self.choice.bias)

    @torch.no_grad()
    def start_from(self, gradients: Tensor, *, damping: float) -> None:
        """Set the directions and rates to those of damped Gauss-Newton steps.

        Args:
            gradients: `[n, D]`, of white noise on pictures by changes: their mean outer product is
                the mean curvature of the squared error. With fewer than `rank` of them, the other
                directions stay random.
            damping: curvature that is added to that of each direction.
        """
        count, size = gradients.shape
        found = min(count, self.rank)
        values, vectors = torch.linalg.eigh(gradients @ gradients.T / count)
        values, vectors = (
            values.flip(0)[:found].clamp_min(1e-6),
            vectors.flip(1)[:, :found],
        )
        directions = (vectors.T @ gradients) / (count * values).sqrt()[:, None]
        damped, other = values + damping, 0.7 / (values[-1] + damping)
        scale = math.sqrt(size * damping)
        self.seeing[:found].copy_(directions * scale * damped.rsqrt()[:, None])
        gains = (1 / damped - other) * damped.sqrt()
        self.moving[:found].copy_(directions * scale * gains[:, None])
        self.scales.copy_(torch.stack([damped.new_tensor(1 / scale), other]))

    def nothing_yet(self, count: int) -> Former:
        """Return what there is before the first pass over `count` portraits."""
        short = self.scales.new_zeros(count, self.rank)
        return Former(short, short, self.scales.new_zeros(count, sum(self.sizes)))

    def forward(self, number: int, evidence: Evidence, former: Former) -> tuple[Tensor, Former]:
        """Return the change of a pass `[N, D]`, and what the next pass is told of this one.

        Args:
            number: of the pass, from 0.
            evidence: of the state that the former passes led to.
            former: what this returned for the former pass, or `nothing_yet`.
        """
        directions, other = self.scales
        parts = len(self.sizes)
        seen = evidence.gradient @ self.seeing.T * directions
        size = (evidence.error / 100).sqrt()[:, None]
        hidden = self._hidden(number, evidence, former, seen, size)
        free, rate, overall, other_rate, momentum = self.choice(hidden).split(
            [self.rank, self.rank, 1, parts, parts], 1
        )
        moved = 0.1 * size * free - seen * _factor(self.rates[number] + 0.3 * rate + overall)
        rates = self._of_entries(_factor(self.other_rates[number] + other_rate + overall))
        share = _LARGEST_MOMENTUM * self._of_entries(torch.tanh(self.momentum[number] + momentum))
        change = (
            moved @ self.moving * directions
            - rates * self.entries.exp() * other * evidence.gradient
            + share * former.change
        )
        length = change.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt()
        change = change * (_LARGEST_CHANGE / length).clamp_max(1)
        return change, Former(seen.detach(), moved.detach(), change.detach())

    def _of_entries(self, values: Tensor) -> Tensor:
        """Return `[N, D]`: each part's value of `[N, parts]` for all its numbers."""
        sizes = torch.tensor(self.sizes, device=values.device)
        return values.repeat_interleave(sizes, 1, output_size=sum(self.sizes))

    def _hidden(
        self, number: int, evidence: Evidence, former: Former, seen: Tensor, size: Tensor
    ) -> Tensor:
        """Return `[N, hidden]`: what the network makes of the pictures and of its directions."""
        difference = 2 * (evidence.render - evidence.picture)
        x = torch.cat([evidence.picture, evidence.render, difference], 1)
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), 0.1)
        features = F.leaky_relu(self.features(x.flatten(1)), 0.1)
        unit = 1 / (size + 1e-6)
        one = F.one_hot(torch.tensor(number), self.passes).to(seen).expand(len(seen), -1)
        sizes = [2 * size.clamp_min(1e-6).log(), size / 10]
        inputs = [seen * unit, former.seen * unit, former.moved * unit, features, evidence.angles]
        hidden = F.leaky_relu(self.first(torch.cat([*inputs, *sizes, one], 1)), 0.1)
        return hidden + F.leaky_relu(self.second(hidden), 0.1)

    def save(self, path: str | Path) -> None:
        """Write weights (fp16) and sizes to one safetensors file."""
        sizes = {"sizes": self.sizes, "rank": self.rank, "passes": self.passes}
        save_network(self, sizes | {"hidden": self.hidden}, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote.

        Raises:
            MissingModelError: no such file.
            CheckpointError: the file does not hold this network.
        """
        return read_network(path, lambda config: cls(**config))


def _factor(rate: Tensor) -> Tensor:
    """Return positive factors on rates, near `exp(rate)` and bounded."""
    return (_LARGEST_RATE * torch.tanh(rate / _LARGEST_RATE)).exp()
