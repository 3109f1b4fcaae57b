"""Distances between two sets of pictures: KID and FID by torchmetrics, on features of a network.

KID: "Demystifying MMD GANs" (Binkowski et al., 2018), section 3: the unbiased estimate of the
squared maximum mean discrepancy under the polynomial kernel (x.y / D + 1)^3, averaged over subsets.
Unbiased, so that small sets are fair, and therefore slightly negative for equal sets.

FID: "GANs trained by a two time-scale update rule" (Heusel et al., 2017): the distance of normal
distributions that are fitted to both sets. It is biased upwards, the more so the smaller the sets
are, and differently for every network and domain: compare only values of equally many pictures.

Values compare within one feature network only; `itportrait.evaluate.features` names networks.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError


@dataclass(frozen=True)
class KidScore:
    """Mean and standard deviation of the estimate over the subsets."""

    mean: float
    std: float


@dataclass(frozen=True)
class Distances:
    """Distances of a set of renders from a set of true pictures.

    Args:
        kid: mean over subsets.
        fid: None where there are too few pictures.
        reason: why there is no FID.
    """

    kid: float
    fid: float | None
    reason: str = ""

    def against(self, base: float) -> tuple[dict[str, float], dict[str, str]]:
        """Return `kid`, `kid_ratio` and `fid`, and why one of them is missing, by name.

        Args:
            base: KID of the base's renders from the same true pictures.
        """
        values, reasons = {"kid": self.kid}, dict[str, str]()
        if base > 0:
            values["kid_ratio"] = self.kid / base
        else:
            reasons["kid_ratio"] = f"the KID of the base's renders is {base:.2g}, not above 0"
        if self.fid is not None:
            values["fid"] = self.fid
        else:
            reasons["fid"] = self.reason
        return values, reasons


def measure_distances(
    real: Tensor, fake: Tensor, *, subsets: int, subset_size: int, seed: int
) -> Distances:
    """Return KID and, from enough pictures, FID of two sets of features.

    Args:
        real, fake, subsets, subset_size, seed: as in `kid`.

    Raises:
        InvalidArgumentError: too few rows, or features of different length.
    """
    score = kid(real, fake, subsets=subsets, subset_size=subset_size, seed=seed)
    try:
        return Distances(score.mean, fid(real, fake))
    except InvalidArgumentError as error:
        return Distances(score.mean, None, str(error))


def kid(
    real: Tensor, fake: Tensor, *, subsets: int = 20, subset_size: int = 100, seed: int = 0
) -> KidScore:
    """Return the Kernel Inception Distance of two sets of features.

    Args:
        real, fake: `[M, D]` and `[N, D]` features.
        subsets: how many subsets to draw.
        subset_size: rows of each set in a subset; capped by the smaller set.
        seed: of the draws. Same features and seed give the same value.

    Raises:
        InvalidArgumentError: too few rows, or features of different length.
    """
    from torchmetrics.image.kid import KernelInceptionDistance  # importing it takes seconds

    _check(real, fake)
    size = min(subset_size, len(real), len(fake))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        metric = KernelInceptionDistance(nn.Identity(), subsets=subsets, subset_size=size)
    metric = metric.to(real.device)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)  # from which the library draws the subsets
    try:
        mean, std = metric.compute()
    finally:
        torch.set_rng_state(state)
    return KidScore(float(mean), float(std))


def fewest_for_fid(features: Tensor) -> int:
    """Return how many pictures each set needs at least for FID: more than features have numbers.

    With fewer, the fitted distributions are flat, and most of the value is bias.
    """
    return features.shape[1] + 1


def fid(real: Tensor, fake: Tensor) -> float:
    """Return the Fréchet Inception Distance of two sets of features.

    It is biased upwards for small sets: on the embedded family's perceptual features two sets of 48
    renders of the *same* generator are 1.4 apart, two sets of 330 are 0.2 apart; a style of zombies
    is 59 and 55 away. So sets below `fewest_for_fid` are refused.

    Args:
        real, fake: `[M, D]` and `[N, D]` features.

    Raises:
        InvalidArgumentError: too few rows for a sensible value, or features of different length.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    _check(real, fake)
    least = fewest_for_fid(real)
    if min(len(real), len(fake)) < least:
        raise InvalidArgumentError(
            "features",
            expected=f"at least {least} pictures in both sets for FID, as features have "
            f"{least - 1} numbers",
            actual=f"{len(real)} and {len(fake)}",
            remedy="take more pictures, or judge by KID, which is unbiased for small sets",
        )
    metric = FrechetInceptionDistance(_Known(real.shape[1]), normalize=True).to(real.device)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return float(metric.compute())


class _Known(nn.Identity):
    """Stands for the network, since the features are known already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features: int = num_features


def _check(real: Tensor, fake: Tensor) -> None:
    if min(len(real), len(fake)) < 2 or real.ndim != 2 or real.shape[1:] != fake.shape[1:]:
        raise InvalidArgumentError(
            "features",
            expected="two sets [M >= 2, D] and [N >= 2, D]",
            actual=f"{list(real.shape)} and {list(fake.shape)}",
        )
