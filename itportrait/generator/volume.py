"""The scene of a tri-plane generator: what is at points, and what rays carry to the camera.

Source:
    EG3D (Chan et al., CVPR 2022), section 4.3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from itportrait.generator import renderer
from itportrait.generator.config import GeneratorConfig
from itportrait.geometry.planes import PLANE_AXES
from itportrait.ops.render_rays import (
    RENDER_RAYS,
    Composite,
    Space,
    render_rays,
    render_refined,
)
from itportrait.ops.render_rays.marching import march_weights, sample_weights
from itportrait.ops.render_rays.reference import composite, masked, ray_points
from itportrait.ops.render_rays.refining import draw_depths
from itportrait.ops.sample_planes import sample_planes


@dataclass(frozen=True)
class Volume:
    """Tri-planes and the decoder that reads them.

    Args:
        config: of the generator.
        decoder: from plane features to density and colors.
        planes: `[N, 3, C, H, W]`.
    """

    config: GeneratorConfig
    decoder: renderer.Decoder
    planes: Tensor

    @property
    def space(self) -> Space:
        """How the planes fill the space."""
        config = self.config.rendering
        axes = PLANE_AXES[self.config.plane_axes]
        return Space(axes, config.box_warp, config.mask_outside, config.density_gain)

    def features(self, points: Tensor) -> Tensor:
        """Return the mean plane features `[N * M, C]` at points `[N, M, 3]`."""
        scaled = points * (2 / self.config.rendering.box_warp)
        return sample_planes(self.planes, scaled, PLANE_AXES[self.config.plane_axes])

    def evaluate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return sigma `[N, M, 1]` and colors without margin `[N, M, C]` at points `[N, M, 3]`."""
        sigma, color = self.decoder(self.features(points))
        shape = points.shape[:2]
        return masked(sigma.view(*shape, 1), points, self.space), color.view(*shape, -1)

    def composite(
        self,
        origins: Tensor,
        directions: Tensor,
        rng: torch.Generator | None,
        *,
        random: bool,
        with_weights: bool,
    ) -> tuple[Composite, Tensor]:
        """Render rays.

        Args:
            origins: `[N, M, 3]`.
            directions: `[N, M, 3]`, unit vectors.
            rng: for random depths.
            random: whether depths are random, or reproducible.
            with_weights: whether the weights of the intervals are returned.

        Returns:
            What the rays carry, its colors without margin; and the sorted depths `[N, M, K]`.
        """
        config = self.config.rendering
        coarse = renderer.coarse_depths(origins, directions, config, rng, random)
        inputs = self.planes, origins, directions, coarse, *self.decoder.layers()
        quantiles = None
        if count := config.depth_resolution_importance:
            quantiles = renderer.fine_quantiles(origins, count, rng, random)
        if RENDER_RAYS.is_native(*inputs):
            if quantiles is None:
                return render_rays(*inputs, self.space, with_weights=with_weights), coarse
            keep = 1 if config.merge_coarse else 2
            return render_refined(
                *inputs, quantiles, self.space, keep=keep, with_weights=with_weights
            )
        depths, sigma, colors = self._sample_rays(origins, directions, coarse, quantiles)
        order = None
        if len(colors) > 1:
            depths, order = torch.sort(depths, dim=-1)
            sigma = sigma.gather(-1, order)
        weights = march_weights(depths, sigma, config.density_gain)
        per_sample = sample_weights(weights)
        if order is not None:
            # Colors stay where they were sampled; their weights travel instead: C times less.
            per_sample = torch.zeros_like(per_sample).scatter(-1, order, per_sample)
        shares = torch.split(per_sample, [part.shape[2] for part in colors], dim=-1)
        features = torch.stack(
            [(share[..., None, :] @ part).squeeze(2) for share, part in zip(shares, colors)]
        ).sum(0)
        return composite(features, weights, depths, with_weights), depths

    def _sample_rays(
        self,
        origins: Tensor,
        directions: Tensor,
        coarse: Tensor,
        quantiles: Tensor | None,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return depths and sigma `[N, M, K]`, and colors in one or two parts of `[N, M, k, C]`."""
        config = self.config.rendering

        def evaluate(depths: Tensor) -> tuple[Tensor, Tensor]:
            sigma, color = self.evaluate(ray_points(origins, directions, depths))
            return sigma.view(depths.shape), color.view(*depths.shape, -1)

        if quantiles is None:
            sigma, color = evaluate(coarse)
            return coarse, sigma, [color]
        if config.merge_coarse:
            sigma, color = evaluate(coarse)
            with torch.no_grad():
                weights = march_weights(coarse, sigma, config.density_gain)
            fine = draw_depths(coarse, weights, quantiles)
            fine_sigma, fine_color = evaluate(fine)
            depths = torch.cat([coarse, fine], dim=-1)
            return depths, torch.cat([sigma, fine_sigma], dim=-1), [color, fine_color]
        with torch.no_grad():
            points = ray_points(origins, directions, coarse)
            sigma = self.decoder.density(self.features(points))
            sigma = masked(sigma.view(*points.shape[:2], 1), points, self.space).view(coarse.shape)
            weights = march_weights(coarse, sigma, config.density_gain)
            fine = draw_depths(coarse, weights, quantiles)
            depths = torch.sort(torch.cat([coarse[..., ::2], fine], dim=-1), dim=-1).values
        sigma, color = evaluate(depths)
        return depths, sigma, [color]
