"""Residual maps: what a portrait's code adds to the features of low-resolution synthesis layers.

Dr.3D's deformation code is a latent of its own beside that of the appearance. A portrait that was
inverted has no such latent, so here the deformation code is computed from the portrait's own code:
each portrait has one deformation, and it is stylized as the generator was trained. (A latent of its
own would have to be set to zero for portraits, which no training has seen, and would teach the
generator deformations that no portrait can ask for.)
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from itportrait.generator import Generator, TriPlaneGenerator
from itportrait.generator.deformation import Deformation, undeformable
from itportrait.generator.layers import FullyConnected, SynthesisLayer

_LAYERS, _MAPPING_PACE = 4, 0.01
_FIRST_SIZE = 0.01
"""Factor on the weights of the heads at the start, so that maps begin as almost nothing."""


class ResidualMaps(Deformation):
    """A map of rank one for each layer: places times channels, added to the layer's output.

    Args:
        rows: number of first rows of a code whose mean is read: those that carry shape.
        w_dim: length of a row.
        width: length of the deformation code.
        layers: block, layer, channels and side of what is added to.
        pace: factor on the learning rate of the heads; the layers before them have StyleGAN's.

    Source: Dr.3D (Jin et al., SIGGRAPH Asia 2022), section 3.3.
    """

    name = "residual_maps"

    def __init__(
        self,
        rows: int,
        w_dim: int,
        width: int,
        layers: Sequence[tuple[str, str, int, int]],
        pace: float = 1.0,
    ) -> None:
        super().__init__()
        self.rows, self.w_dim, self.width, self.pace = rows, w_dim, width, pace
        self.layers = [(str(b), str(n), int(c), int(s)) for b, n, c, s in layers]
        widths = [w_dim] + [width] * _LAYERS
        self.mapping = nn.Sequential(
            *(
                FullyConnected(a, b, activate=True, lr_mult=_MAPPING_PACE)
                for a, b in pairwise(widths)
            )
        )
        self.heads = nn.ModuleDict(
            {
                f"{block}_{layer}": FullyConnected(width, side**2 + channels, lr_mult=pace)
                for block, layer, channels, side in self.layers
            }
        )

    @classmethod
    def of(cls, generator: Generator, sides: Sequence[int], width: int, pace: float = 1.0) -> Self:
        """Return maps for the layers of a generator's blocks of some sides.

        Args:
            generator: draws tri-planes.
            sides: of the blocks; those that the generator has are taken.
            width: length of the deformation code.
            pace: factor on the learning rate of the heads.

        Raises:
            InvalidArgumentError: the generator's family draws no tri-planes.
        """
        if not isinstance(generator, TriPlaneGenerator):
            raise undeformable(generator)
        synthesis, found = generator.backbone.synthesis, list[tuple[str, str, int, int]]()
        for side in sides:
            block = f"b{side}"
            if block not in synthesis.block_names:
                continue
            for layer, part in synthesis.get_submodule(block).named_children():
                if isinstance(part, SynthesisLayer):
                    found.append((block, layer, len(part.bias), side))
        return cls(len(generator.row_sets["shape"]), generator.w_dim, width, found, pace)

    def settings(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "w_dim": self.w_dim,
            "width": self.width,
            "layers": [list(layer) for layer in self.layers],
            "pace": self.pace,
        }

    @torch.no_grad()
    def draw_weights(self, rng: torch.Generator) -> None:
        """Draw all weights anew; the heads' are small."""
        for part in self.modules():
            if isinstance(part, FullyConnected):
                drawn = torch.randn(part.weight.shape, generator=rng)
                part.weight.copy_(drawn / part.bias_gain)
        for head in self.heads.values():
            assert isinstance(head, FullyConnected)
            head.weight.mul_(_FIRST_SIZE)

    def features(self, ws: Tensor) -> Mapping[str, Mapping[str, Tensor]]:
        if not self.strength:
            return {}
        code = ws[:, : self.rows].mean(1)
        code = self.mapping(code * (code.square().mean(1, keepdim=True) + 1e-8).rsqrt())
        added: dict[str, dict[str, Tensor]] = {}
        for block, layer, channels, side in self.layers:
            places, strengths = self.heads[f"{block}_{layer}"](code).split([side**2, channels], 1)
            residual = strengths[:, :, None, None] * places.view(-1, 1, side, side)
            added.setdefault(block, {})[layer] = self.strength * residual
        return added
