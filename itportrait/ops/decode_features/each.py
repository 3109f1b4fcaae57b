"""`decode_features` with weights of its own for each sample of a batch."""

import torch
from torch import Tensor

from itportrait.ops.decode_features.op import decode_features
from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.dispatch import AUTO


def decode_each(
    features: Tensor, hidden: Layer, output: Layer, *, backend: str = AUTO
) -> tuple[Tensor, Tensor]:
    """Decode features, with weights of its own for each of N samples where they have N rows.

    Args:
        features: `[M, C]`; with weights for N samples, M / N rows of each, sample after sample.
        hidden, output: as in `decode_features`, each tensor with or without N rows.
        backend: of `decode_features`.
    """
    layers = layers_each(hidden, output)
    if layers is None:
        return decode_features(features, hidden, output, backend=backend)
    (first, first_bias), (last, last_bias) = layers
    parts = [
        decode_features(
            part, (first[row], first_bias[row]), (last[row], last_bias[row]), backend=backend
        )
        for row, part in enumerate(features.chunk(len(first)))
    ]
    return torch.cat([sigma for sigma, _ in parts]), torch.cat([color for _, color in parts])


def layer_rows(hidden: Layer, output: Layer) -> list[Tensor]:
    """Return weights and biases of both layers with rows: N, or one for all samples."""
    each = layers_each(hidden, output)
    return [t if each else t[None] for layer in each or (hidden, output) for t in layer]


def layers_each(hidden: Layer, output: Layer) -> tuple[Layer, Layer] | None:
    """Return layers whose tensors all have N rows, or None where none of them has any."""
    counts = {len(p) for layer in (hidden, output) for p, n in zip(layer, (2, 1)) if p.ndim > n}
    if not counts:
        return None
    (count,) = counts

    def rows(layer: Layer) -> Layer:
        weight, bias = layer
        return weight.expand(count, *weight.shape[-2:]), bias.expand(count, bias.shape[-1])

    return rows(hidden), rows(output)
