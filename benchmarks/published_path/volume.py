"""Volume rendering as published: every sample's features, hidden units and colors are stored.

Three grid samples and their mean, the decoder, marching along the coarse samples, fine depths by
their weights, the same again for these, and both sets sorted with their colors and marched.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.generator import renderer
from itportrait.generator.config import GeneratorConfig
from itportrait.geometry.planes import PLANE_AXES
from itportrait.ops.render_rays.marching import march_weights
from itportrait.ops.render_rays.reference import Space, masked, middles, ray_points
from itportrait.ops.render_rays.refining import draw_depths


@dataclass(frozen=True)
class Seen:
    """What rays carry: colors with their margin `[N, M, C]`, alpha and depth `[N, M, 1]`, and the
    weights of the intervals `[N, M, K - 1]`."""

    colors: Tensor
    alpha: Tensor
    depth: Tensor
    weights: Tensor


@dataclass(frozen=True)
class PublishedVolume:
    """Tri-planes and the decoder that reads them.

    Args:
        config: of the generator.
        decoder: from plane features to density and colors.
        planes: `[N, 3, C, H, W]`.
    """

    config: GeneratorConfig
    decoder: renderer.Decoder
    planes: Tensor

    def render(self, origins: Tensor, directions: Tensor) -> Seen:
        """Render rays `[N, M, 3]` with reproducible depths."""
        rays = self.config.rendering
        coarse = renderer.coarse_depths(origins, directions, rays, None, random=False)
        if rays.depth_resolution_importance == 0:
            return self._march(coarse, *self._evaluate(origins, directions, coarse))
        if not rays.merge_coarse:  # the embedded family's own: coarse samples only guide
            with torch.no_grad():
                sigma, colors = self._evaluate(origins, directions, coarse)
                weights = march_weights(coarse, sigma, rays.density_gain)
                fine = self._fine(coarse, weights)
            depths = torch.sort(torch.cat([coarse[..., ::2], fine], -1), -1).values
            return self._march(depths, *self._evaluate(origins, directions, depths))
        sigma, colors = self._evaluate(origins, directions, coarse)
        seen = self._march(coarse, sigma, colors)  # the published program uses its weights alone
        fine = self._fine(coarse, seen.weights)
        fine_sigma, fine_colors = self._evaluate(origins, directions, fine)
        depths, order = torch.sort(torch.cat([coarse, fine], -1), -1)
        sigma = torch.cat([sigma, fine_sigma], -1).gather(-1, order)
        colors = torch.cat([colors, fine_colors], -2)
        colors = colors.gather(-2, order[..., None].expand(colors.shape))
        return self._march(depths, sigma, colors)

    def _evaluate(
        self, origins: Tensor, directions: Tensor, depths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return sigma `[N, M, K]` and colors `[N, M, K, C]` at depths `[N, M, K]`."""
        points = ray_points(origins, directions, depths)
        box_warp = self.config.rendering.box_warp
        features = self._sample(points * (2 / box_warp)).mean(1)
        out = self.decoder.net(features.flatten(0, 1))
        colors = renderer.with_margin(torch.sigmoid(out[:, 1:])).view(*depths.shape, -1)
        space = Space((), box_warp, self.config.rendering.mask_outside, 1.0)
        sigma = masked(out[:, :1].view(*points.shape[:2], 1), points, space)
        return sigma.view(depths.shape), colors

    def _sample(self, points: Tensor) -> Tensor:
        """Return the features of each plane, `[N, 3, M, C]`, at scaled points `[N, M, 3]`."""
        batch, count, channels = *self.planes.shape[:2], self.planes.shape[2]
        axes = torch.tensor(PLANE_AXES[self.config.plane_axes], device=points.device)
        projections = F.one_hot(axes, 3).transpose(1, 2).to(points.dtype)  # [3, 3, 2]
        repeated = points[:, None].expand(-1, count, -1, -1).reshape(batch * count, -1, 3)
        projected = torch.bmm(repeated, projections.repeat(batch, 1, 1))
        found = F.grid_sample(
            self.planes.flatten(0, 1),
            projected[:, None],
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
        return found.permute(0, 3, 2, 1).reshape(batch, count, -1, channels)

    def _fine(self, coarse: Tensor, weights: Tensor) -> Tensor:
        count = self.config.rendering.depth_resolution_importance
        quantiles = renderer.fine_quantiles(coarse, count, None, random=False)
        return draw_depths(coarse, weights, quantiles)

    def _march(self, depths: Tensor, sigma: Tensor, colors: Tensor) -> Seen:
        weights = march_weights(depths, sigma, self.config.rendering.density_gain)
        between = 0.5 * (colors[..., 1:, :] + colors[..., :-1, :])
        alpha = weights.sum(-1, keepdim=True)
        depth = (weights * middles(depths)).sum(-1, keepdim=True) / alpha
        depth = torch.nan_to_num(depth, float("inf")).clamp(depths.min(), depths.max())
        return Seen((weights[..., None] * between).sum(-2), alpha, depth, weights)
