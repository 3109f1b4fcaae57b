"""W measured in its own standard deviations: one step size, one prior, for every generator.

W of an EG3D or StyleGAN mapping is strongly anisotropic; Adam takes equal steps along all axes.
So an optimization runs on coordinates `u` of W in which samples of the mapping have zero mean and
unit variance, and a step, a noise or a distance of 1 means one standard deviation.

Source: the whitened space of "Improved StyleGAN Embedding: Where are the Good Latents?" (Zhu et
al., 2020), without its leaky ReLU, which the mini family's mapping does not end in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor

from itportrait.generator.base import Generator

# torch gives these two no types.
_eigh = cast(
    Callable[[Tensor], tuple[Tensor, Tensor]],
    torch.linalg.eigh,  # pyright: ignore[reportUnknownMemberType]
)
_svd = cast(
    Callable[..., tuple[Tensor, Tensor, Tensor]],
    torch.linalg.svd,  # pyright: ignore[reportUnknownMemberType]
)

_BATCH = 1024
_NEGLIGIBLE = 1e-4
"""Standard deviation, relative to the largest, below which `principal` leaves an axis out."""


@dataclass(frozen=True)
class WhitenedSpace:
    """An affine change of coordinates of W: `w = mean + u @ to_w`, `u = (w - mean) @ to_u / unit`.

    Args:
        mean: `[w_dim]`, the origin.
        to_w: `[K, w_dim]`.
        to_u: `[w_dim, K]`.
        unit: `[K]`, what coordinates are divided by.
    """

    mean: Tensor
    to_w: Tensor
    to_u: Tensor
    unit: Tensor

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        generator: Generator,
        camera: Tensor,
        *,
        samples: int,
        seed: int,
        floor: float = 0.05,
    ) -> Self:
        """Measure mean and covariance of W on seeded codes; K is `w_dim`.

        Args:
            generator: whose mapping makes the codes.
            camera: `[1, 25]` that conditions the mapping: the family's frontal one.
            samples: number of codes.
            seed: of the codes.
            floor: smallest standard deviation, relative to the root mean square over all axes:
                along axes in which the mapping hardly varies, a step stays useful.
        """
        rng = torch.Generator().manual_seed(seed)
        device = generator.device
        parts: list[Tensor] = []
        for start in range(0, samples, _BATCH):
            z = torch.randn(min(_BATCH, samples - start), generator.z_dim, generator=rng)
            views = camera.to(device).expand(len(z), -1)
            parts.append(generator.mapping(z.to(device), views)[:, 0].double())
        w = torch.cat(parts)
        mean = w.mean(0)
        covariance = (w - mean).T @ (w - mean) / (len(w) - 1)
        variance, axes = _eigh(covariance)
        deviation = variance.clamp_min(0).sqrt()
        deviation = deviation.clamp_min(floor * float(variance.clamp_min(0).mean().sqrt()) + 1e-8)
        return cls(
            mean=mean.float(),
            to_w=(axes * deviation @ axes.T).float(),
            to_u=(axes / deviation @ axes.T).float(),
            unit=torch.ones_like(mean, dtype=torch.float32),
        )

    @classmethod
    @torch.no_grad()
    def principal(cls, w: Tensor) -> Self:
        """Measure the principal axes of sampled codes, and leave out those that hardly vary.

        Args:
            w: `[N, w_dim]` codes of random portraits.
        """
        mean = w.mean(0)
        _, scale, axes = _svd(w - mean, full_matrices=False)
        scale = scale / math.sqrt(len(w) - 1)
        keep = scale > _NEGLIGIBLE * scale[0]
        to_w = axes[keep] * scale[keep, None]
        return cls(mean=mean, to_w=to_w, to_u=to_w.T, unit=to_w.square().sum(1))

    def whiten(self, w: Tensor) -> Tensor:
        """Return coordinates `[..., K]` in standard deviations."""
        return (w - self.mean) @ self.to_u / self.unit

    def color(self, u: Tensor) -> Tensor:
        """Return `w` of coordinates `u`, `[..., w_dim]`."""
        return self.mean + u @ self.to_w
