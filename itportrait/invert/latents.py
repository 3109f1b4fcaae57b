"""W measured in its own standard deviations: one step size, one prior, for every generator.

W of an EG3D or StyleGAN mapping is strongly anisotropic; Adam takes equal steps along all axes.
So the optimization runs on `u = whiten(w - w_avg)`, in which samples of the mapping have zero mean
and unit covariance, and a step, a noise or a distance of 1 means one standard deviation.

Source: the whitened space of "Improved StyleGAN Embedding: Where are the Good Latents?" (Zhu et
al., 2020), without its leaky ReLU, which the mini family's mapping does not end in.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from itportrait.geometry.camera import frontal_camera

_BATCH = 1024


@dataclass(frozen=True)
class WhitenedSpace:
    """An affine change of coordinates of W.

    Args:
        mean: `[w_dim]`, the origin.
        to_w: `[w_dim, w_dim]`, symmetric: `w = mean + u @ to_w`.
        to_u: `[w_dim, w_dim]`, its inverse.
    """

    mean: Tensor
    to_w: Tensor
    to_u: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, generator, *, samples: int, seed: int, floor: float = 0.05) -> "WhitenedSpace":
        """Measure mean and covariance of W on seeded codes at the frontal camera.

        Args:
            generator: a `TriPlaneGenerator`.
            samples: number of codes.
            seed: of the codes.
            floor: smallest standard deviation, relative to the root mean square over all axes:
                along axes in which the mapping hardly varies, a step stays useful.
        """
        rng = torch.Generator().manual_seed(seed)
        device = generator.w_avg.device
        parts = []
        for start in range(0, samples, _BATCH):
            z = torch.randn(min(_BATCH, samples - start), generator.z_dim, generator=rng)
            camera = frontal_camera(device).expand(len(z), -1)
            parts.append(generator.mapping(z.to(device), camera)[:, 0].double())
        w = torch.cat(parts)
        mean = w.mean(0)
        covariance = (w - mean).T @ (w - mean) / (len(w) - 1)
        variance, axes = torch.linalg.eigh(covariance)
        deviation = variance.clamp_min(0).sqrt()
        deviation = deviation.clamp_min(floor * float(variance.clamp_min(0).mean().sqrt()) + 1e-8)
        return cls(
            mean=mean.float(),
            to_w=(axes * deviation @ axes.T).float(),
            to_u=(axes / deviation @ axes.T).float(),
        )

    def whiten(self, w: Tensor) -> Tensor:
        """Return coordinates `[..., w_dim]` in standard deviations."""
        return (w - self.mean) @ self.to_u

    def color(self, u: Tensor) -> Tensor:
        """Return `w` of coordinates `u`, `[..., w_dim]`."""
        return self.mean + u @ self.to_w
