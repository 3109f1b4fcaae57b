"""Two passes along rays: coarse samples, and fine ones where the coarse ones have weight.

Source:
    NeRF (Mildenhall et al., ECCV 2020), section 5.2, with the smoothed weights of MipNeRF.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.render_rays.reference import Composite, Space, middles


def draw_depths(depths: Tensor, weights: Tensor, quantiles: Tensor) -> Tensor:
    """Draw depths where the coarse pass found weight, by its inverse cumulative distribution.

    Args:
        depths: coarse `[N, M, K]`, ascending.
        weights: of the K - 1 intervals, `[N, M, K - 1]`.
        quantiles: in [0, 1], `[N, M, L]`, or `[L]` for all rays.

    Returns:
        `[N, M, L]`, in the order of the quantiles, without gradient.
    """
    with torch.no_grad():
        smooth = F.max_pool1d(weights.flatten(0, 1)[:, None], 2, stride=1, padding=1)
        smooth = F.avg_pool1d(smooth, 2, stride=1)[:, 0].view(weights.shape) + 0.01
        centers = middles(depths)
        pdf = smooth[..., 1:-1] + 1e-5
        cdf = F.pad(torch.cumsum(pdf / pdf.sum(-1, keepdim=True), dim=-1), (1, 0))
        u = quantiles.to(cdf.dtype).expand(*cdf.shape[:-1], quantiles.shape[-1]).contiguous()
        upper = torch.searchsorted(cdf, u, right=True)
        lower = (upper - 1).clamp_min(0)
        upper = upper.clamp_max(cdf.shape[-1] - 1)
        cdf_low, cdf_high = cdf.gather(-1, lower), cdf.gather(-1, upper)
        span = cdf_high - cdf_low
        span = torch.where(span < 1e-5, 1.0, span)
        low, high = centers.gather(-1, lower), centers.gather(-1, upper)
        return low + (u - cdf_low) / span * (high - low)


def in_two_passes(render: Callable[..., Composite]) -> Callable[..., tuple[Composite, Tensor]]:
    """Return what renders coarse samples, draws fine ones, and renders both, as `render` does."""

    def render_refined(
        planes: Tensor,
        origins: Tensor,
        directions: Tensor,
        depths: Tensor,
        hidden: Layer,
        output: Layer,
        quantiles: Tensor,
        space: Space,
        keep: int,
        with_weights: bool,
    ) -> tuple[Composite, Tensor]:
        rays = planes, origins, directions
        with torch.no_grad():
            weight, bias = output
            density = weight[..., :1, :], bias[..., :1]
            guide = render(*rays, depths, hidden, density, space, True).weights
            assert guide is not None
            fine = draw_depths(depths, guide.to(depths.dtype), quantiles)
            both = torch.cat([depths[..., ::keep], fine], dim=-1)
            depths = torch.sort(both, dim=-1).values
        return render(*rays, depths, hidden, output, space, with_weights), depths

    return render_refined
