"""The definition of `decode_features`: linear, softplus, linear, sigmoid."""

import torch
from torch import Tensor
from torch.nn import functional as F

Layer = tuple[Tensor, Tensor]
"""Weight and bias."""


def decode_features_reference(
    features: Tensor, hidden: Layer, output: Layer
) -> tuple[Tensor, Tensor]:
    """Map features to density and colors; arguments as in `op.decode_features`."""
    out = F.linear(F.softplus(F.linear(features, *hidden)), *output)
    return out[:, :1], torch.sigmoid(out[:, 1:])
