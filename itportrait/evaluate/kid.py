"""Kernel Inception Distance, on features of our own: how far one set of pictures is from
another.

Source: "Demystifying MMD GANs" (Binkowski et al., 2018), section 3: the unbiased estimate of the
squared maximum mean discrepancy under the polynomial kernel (x.y / D + 1)^3, averaged over subsets.
The features are those of the bundle's perceptual model, not of Inception: values compare within one
bundle only. Unbiased, so that small sets are fair, and therefore slightly negative for equal sets.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError


@dataclass(frozen=True)
class KidScore:
    """Mean and standard deviation of the estimate over the subsets."""

    mean: float
    std: float


def polynomial_mmd(real: Tensor, fake: Tensor) -> float:
    """Return the unbiased squared MMD of two feature sets of one size.

    Args:
        real, fake: `[N, D]` each, N at least 2.

    Raises:
        InvalidArgumentError: too few rows, or sets of different sizes or lengths of features.
    """
    from torchmetrics.image.kid import poly_mmd  # here, because importing it takes seconds

    _check(real, fake)
    if len(real) != len(fake):
        raise InvalidArgumentError(
            "features", expected=f"{len(real)} rows in both sets", actual=len(fake)
        )
    return float(poly_mmd(real.double(), fake.double()))


def kid(
    real: Tensor, fake: Tensor, *, subsets: int = 20, subset_size: int = 100, seed: int = 0
) -> KidScore:
    """Average `polynomial_mmd` over seeded random subsets.

    Args:
        real, fake: `[M, D]` and `[N, D]` features.
        subsets: how many subsets to draw.
        subset_size: rows of each set in a subset; capped by the smaller set.
        seed: of the draws.

    Raises:
        InvalidArgumentError: too few rows, or features of different length.
    """
    _check(real, fake)
    size = min(subset_size, len(real), len(fake))
    rng = torch.Generator().manual_seed(seed)
    values = torch.tensor(
        [
            polynomial_mmd(
                real[torch.randperm(len(real), generator=rng)[:size].to(real.device)],
                fake[torch.randperm(len(fake), generator=rng)[:size].to(fake.device)],
            )
            for _ in range(subsets)
        ],
        dtype=torch.float64,
    )
    return KidScore(float(values.mean()), float(values.std(correction=0)))


def _check(real: Tensor, fake: Tensor) -> None:
    if min(len(real), len(fake)) < 2 or real.ndim != 2 or real.shape[1:] != fake.shape[1:]:
        raise InvalidArgumentError(
            "features",
            expected="two sets [M >= 2, D] and [N >= 2, D]",
            actual=f"{list(real.shape)} and {list(fake.shape)}",
        )
