"""Parts of volume rendering: decoder, background, and where samples lie along rays.

Source:
    EG3D (Chan et al., CVPR 2022), section 4.3; hierarchical sampling as in NeRF (Mildenhall et al.,
    ECCV 2020).
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.generator.config import GeneratorConfig, RenderingConfig
from itportrait.generator.layers import FullyConnected, random_like
from itportrait.geometry.rays import box_limits
from itportrait.ops.decode_features import decode_each
from itportrait.ops.decode_features.reference import Layer

_COLOR_MARGIN = 0.001
_DIRECTION_SCALE = (4.0, 4.0, 1.0)
"""The field of view is narrow, so x and y of directions are small against z."""


class Decoder(nn.Module):
    """Mean plane feature -> density and color features."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        channels, hidden = config.plane_channels, config.decoder_hidden
        lr_mult = config.decoder_lr_mult
        self.net = nn.Sequential(
            FullyConnected(channels, hidden, lr_mult=lr_mult),
            nn.Softplus(),
            FullyConnected(hidden, 1 + channels, lr_mult=lr_mult),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map `[M, C]` to `(sigma [M, 1], color [M, C])`, colors in (0, 1) without their margin.

        The margin is linear, so `with_margin` can come after compositing: fewer passes.
        """
        return decode_each(features, *self.layers())

    def density(self, features: Tensor) -> Tensor:
        """Map `[M, C]` to `sigma [M, 1]` alone."""
        return decode_each(features, *self.layers(slice(0, 1)))[0]

    def layers(self, rows: slice = slice(None)) -> tuple[Layer, Layer]:
        """Return both layers with their gains, the second with all outputs or with `rows` alone."""
        first, last = cast(FullyConnected, self.net[0]), cast(FullyConnected, self.net[2])
        return first.effective(), last.effective(rows)


def with_margin(color: Tensor, alpha: Tensor | float = 1.0) -> Tensor:
    """Widen colors from (0, 1) to (-0.001, 1.001), where `alpha` is the sum of their weights."""
    return color * (1 + 2 * _COLOR_MARGIN) - alpha * _COLOR_MARGIN


class Background(nn.Module):
    """Features of what lies behind everything, from ray direction and w."""

    direction_scale: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        hidden = config.decoder_hidden
        self.direction = FullyConnected(3, hidden)
        self.style = FullyConnected(config.w_dim, hidden)
        self.output = FullyConnected(hidden, config.plane_channels)
        self.register_buffer("direction_scale", torch.tensor(_DIRECTION_SCALE), persistent=False)

    def forward(self, ray_directions: Tensor, w: Tensor) -> Tensor:
        """Map directions `[N, M, 3]` and w `[N, w_dim]` to `[N, M, C]` in [0, 1]."""
        hidden = self.direction(ray_directions * self.direction_scale) + self.style(w)[:, None]
        return torch.sigmoid(self.output(F.leaky_relu(hidden, 0.2)))


def coarse_depths(
    ray_origins: Tensor,
    ray_directions: Tensor,
    config: RenderingConfig,
    rng: torch.Generator | None,
    random: bool,
) -> Tensor:
    """Return stratified depths `[N, M, K]`: stratum mid-points, or uniform within each.

    The last stratum reaches past `ray_end`, as published.
    """
    count, device = config.depth_resolution, ray_origins.device
    shape = (*ray_origins.shape[:2], count)
    offset = random_like(torch.rand, shape, device, rng) if random else 0.5
    steps = torch.linspace(0, 1, count, device=device, dtype=ray_origins.dtype)
    if isinstance(config.ray_start, str) or isinstance(config.ray_end, str):
        near, far = _ray_limits(ray_origins, ray_directions, config.box_warp)
    else:
        near, far = config.ray_start, config.ray_end
    if config.disparity_space_sampling:
        fraction = steps + offset / (count - 1)
        return (1 / ((1 - fraction) / near + fraction / far)).expand(shape)
    return (near + (steps * (far - near) + offset * ((far - near) / (count - 1)))).expand(shape)


def _ray_limits(origins: Tensor, directions: Tensor, side: float) -> tuple[Tensor, Tensor]:
    near, far = box_limits(origins.detach(), directions.detach(), side)
    hit = far > near
    if hit.any():
        # Rays past the box are sampled over the whole range of the nearest hits, as published;
        # a range of their own would be empty and their depths equal.
        near = torch.where(hit, near, near[hit].min())
        far = torch.where(hit, far, near[hit].max())
    return near, far


def fine_quantiles(rays: Tensor, count: int, rng: torch.Generator | None, random: bool) -> Tensor:
    """Return quantiles of fine samples for rays `[N, M, 3]`.

    Args:
        rays: their origins.
        count: samples of a ray.
        rng: for random draws.
        random: uniform quantiles `[N, M, count]`; else evenly spaced ones `[count]`, 0 and 1
            included.
    """
    if random:
        drawn = random_like(torch.rand, (rays[..., 0].numel(), count), rays.device, rng)
        return drawn.to(rays.dtype).view(*rays.shape[:2], count)
    return torch.linspace(0, 1, count, device=rays.device, dtype=rays.dtype)
