"""Differences of a generator's parameters for each portrait of a batch: in full, or of low rank."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from itportrait.generator import Generator
from itportrait.learning.seeds import key_rng
from itportrait.styles.delta_file import DOWN, UP, as_matrix, is_low_rank


def tuned_parameters(generator: Generator) -> dict[str, Tensor]:
    """Return the parameters that draw a code, by name: all that an adaptation may train."""
    parameters = generator.parameters_of(generator.parts)
    return {name: parameter.detach() for name, parameter in parameters.items()}


class Differences:
    """How differences follow from the values that are optimized.

    Args:
        parameters: of the base generator, by name.
        rank: of the difference of each matrix (of a convolution: output channels x all else); None
            for differences in full. Parameters that are no matrix, or are small ones, are always
            in full.
    """

    def __init__(self, parameters: Mapping[str, Tensor], rank: int | None) -> None:
        self.parameters, self.rank = parameters, rank

    def start(self, keys: Sequence[str], seed: int) -> dict[str, Tensor]:
        """Return first values `[N, ...]` by name, whose differences are zero.

        Args:
            keys: N record ids, which seed what is random.
            seed: of the stage.
        """
        generators = [key_rng(seed, f"{key}:difference") for key in keys]
        values: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            rank, (rows, columns) = self.rank, as_matrix(parameter.shape)
            if rank is None or not is_low_rank(parameter.shape, rank):
                values[name] = parameter.new_zeros(len(keys), *parameter.shape)
                continue
            down = [torch.randn(rank, columns, generator=rng) for rng in generators]
            values[name + UP] = parameter.new_zeros(len(keys), rows, rank)
            values[name + DOWN] = torch.stack(down).to(parameter) / math.sqrt(rank)
        return values

    def of(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the differences `[N, *shape]` of the parameters, by name."""
        result: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            if name in values:
                result[name] = values[name]
            else:
                product = values[name + UP] @ values[name + DOWN]
                result[name] = product.view(-1, *parameter.shape)
        return result
