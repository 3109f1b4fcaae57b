"""The tri-plane generator: z and camera to image, with every step open to the caller."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.generator import renderer
from itportrait.generator.backbone import NUM_PLANES, Backbone
from itportrait.generator.base import Generator, NoiseMode, Rendering, Samples, Sampling
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.deformation import Deformation
from itportrait.generator.rows import row_layers, row_sets
from itportrait.generator.superresolution import SuperResolution
from itportrait.geometry.camera import check_camera
from itportrait.geometry.planes import PLANE_AXES
from itportrait.geometry.rays import camera_rays
from itportrait.ops.sample_planes import sample_planes


class TriPlaneGenerator(Generator):
    """EG3D's generator; computes what the published one does and loads its state.

    Args:
        config: everything that determines the architecture.

    Source:
        EG3D: Efficient Geometry-aware 3D Generative Adversarial Networks (Chan et al., CVPR 2022).
        Independent implementation; `tests/generator` holds it to numbers of the published one.
    """

    config: GeneratorConfig
    config_type = GeneratorConfig
    deformation: Deformation | None
    """What changes scenes while they are drawn; `deformed` puts it in. A base has none."""
    optional_suffix = "resample_filter"
    parts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        # The mapping is in none of them, so that codes keep their meaning.
        "synthesis": ("backbone.synthesis.", "deformation."),
        "decoder": ("decoder.",),
        "superresolution": ("superresolution.",),
        "background": ("background.",),
    }

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.backbone = Backbone(config)
        self.decoder = renderer.Decoder(config)
        self.background = renderer.Background(config) if config.background else None
        self.superresolution = SuperResolution(config)
        self.deformation = None
        self.z_dim, self.w_dim = config.z_dim, config.w_dim
        self.num_ws = self.backbone.mapping.num_ws
        self.image_resolution = config.image_resolution
        self.neural_rendering_resolution = config.neural_rendering_resolution
        self.box_warp = config.rendering.box_warp
        self.density_gain = config.rendering.density_gain
        self.row_sets = row_sets(self.num_ws)
        self.row_layers = row_layers(
            self.backbone.synthesis.block_names, self.superresolution.num_blocks
        )

    @property
    def w_avg(self) -> Tensor:
        return self.backbone.mapping.w_avg

    @property
    def ray_range(self) -> tuple[float, float] | None:
        rays = self.config.rendering
        start, end = rays.ray_start, rays.ray_end
        if isinstance(start, str) or isinstance(end, str):
            return None
        # The first interval between coarse samples has its middle one stratum behind the start.
        return start + (end - start) / (rays.depth_resolution - 1), end

    def mapping(
        self,
        z: Tensor,
        camera: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        return self.backbone.mapping(z, camera, truncation_psi, truncation_cutoff)

    def planes(
        self, ws: Tensor, noise_mode: NoiseMode = "const", rng: torch.Generator | None = None
    ) -> Tensor:
        """Draw the tri-planes `[N, 3, C, H, W]`; see `Generator.planes`."""
        self._check_ws(ws)
        deformation = self.deformation
        added = None if deformation is None else deformation.features(ws)
        planes = self.backbone.synthesis(ws, noise_mode, rng, added=added)
        planes = planes.unflatten(1, (NUM_PLANES, self.config.plane_channels))
        return planes if deformation is None else deformation.planes(planes, ws)

    def sample(self, points: Tensor, planes: Tensor) -> tuple[Tensor, Tensor]:
        if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(planes):
            raise InvalidArgumentError(
                "points", expected=f"[{len(planes)}, M, 3]", actual=list(points.shape)
            )
        sigma, color = self._evaluate(points, planes)
        return sigma, renderer.with_margin(color)

    def render(
        self,
        planes: Tensor,
        ws: Tensor,
        camera: Tensor,
        *,
        neural_rendering_resolution: int | None = None,
        sampling: Sampling = "midpoint",
        rng: torch.Generator | None = None,
        return_samples: bool = False,
        super_resolve: bool = True,
    ) -> Rendering:
        self._check_ws(ws)
        check_camera(camera)
        if not len(planes) == len(ws) == len(camera):
            raise InvalidArgumentError(
                "camera",
                expected=f"as many rows as planes ({len(planes)}) and ws ({len(ws)})",
                actual=len(camera),
                remedy="repeat planes and ws for several views of one person",
            )
        if sampling not in ("midpoint", "random"):
            raise InvalidArgumentError(
                "sampling", expected="midpoint or random", actual=repr(sampling)
            )
        resolution = neural_rendering_resolution or self.neural_rendering_resolution
        origins, directions = camera_rays(camera, resolution)
        features, depth, alpha, samples = self._composite(
            planes, ws, origins, directions, sampling == "random", rng
        )

        def to_image(values: Tensor) -> Tensor:
            return values.transpose(1, 2).view(len(values), -1, resolution, resolution)

        feature_image = to_image(features)
        return Rendering(
            image=self.superresolution(feature_image, ws, rng) if super_resolve else None,
            image_raw=feature_image[:, :3],
            image_depth=to_image(depth),
            image_alpha=to_image(alpha),
            samples=samples if return_samples else None,
        )

    def _composite(
        self,
        planes: Tensor,
        ws: Tensor,
        origins: Tensor,
        directions: Tensor,
        random: bool,
        rng: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, Tensor, Samples]:
        """Return features `[N, M, C]` in about [-1, 1], depth and alpha `[N, M, 1]`, samples."""
        config = self.config.rendering
        depths, sigma, colors = self._sample_rays(planes, origins, directions, random, rng)
        order = None
        if len(colors) > 1:
            depths, order = torch.sort(depths, dim=-1)
            sigma = sigma.gather(-1, order)
        weights = renderer.march_weights(depths, sigma, config.density_gain)
        per_sample = renderer.sample_weights(weights)
        if order is not None:
            # Colors stay where they were sampled; their weights travel instead: C times less.
            per_sample = torch.zeros_like(per_sample).scatter(-1, order, per_sample)
        shares = torch.split(per_sample, [part.shape[2] for part in colors], dim=-1)
        features = torch.stack(
            [(share[..., None, :] @ part).squeeze(2) for share, part in zip(shares, colors)]
        ).sum(0)
        alpha = weights.sum(-1, keepdim=True)
        features = renderer.with_margin(features, alpha)
        if self.background is not None:
            features = features + (1 - alpha) * self.background(directions, ws[:, -1])
        elif config.white_back:
            features = features + (1 - alpha)
        middles = 0.5 * (depths[..., 1:] + depths[..., :-1])
        # Published: 0 / 0 made infinite, then clamped; its gradient is not a number, this is 0.
        empty = alpha == 0
        depth = (weights * middles).sum(-1, keepdim=True) / alpha.masked_fill(empty, 1)
        depth = depth.masked_fill(empty, float("inf")).clamp(depths.min(), depths.max())
        return features * 2 - 1, depth, alpha, Samples(middles, weights)

    def _sample_rays(
        self,
        planes: Tensor,
        origins: Tensor,
        directions: Tensor,
        random: bool,
        rng: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return depths and sigma `[N, M, K]`, and colors in one or two parts of `[N, M, k, C]`."""
        config = self.config.rendering
        count = config.depth_resolution_importance
        coarse = renderer.coarse_depths(origins, directions, config, rng, random)

        def evaluate(depths: Tensor) -> tuple[Tensor, Tensor]:
            sigma, color = self._evaluate(_points(origins, directions, depths), planes)
            return sigma.view(depths.shape), color.view(*depths.shape, -1)

        if count == 0:
            sigma, color = evaluate(coarse)
            return coarse, sigma, [color]
        if config.merge_coarse:
            sigma, color = evaluate(coarse)
            with torch.no_grad():
                weights = renderer.march_weights(coarse, sigma, config.density_gain)
            fine = renderer.fine_depths(coarse, weights, count, rng, random)
            fine_sigma, fine_color = evaluate(fine)
            depths = torch.cat([coarse, fine], dim=-1)
            return depths, torch.cat([sigma, fine_sigma], dim=-1), [color, fine_color]
        with torch.no_grad():
            points = _points(origins, directions, coarse)
            sigma = self.decoder.density(self._features(planes, points))
            sigma = self._mask(sigma.view(*points.shape[:2], 1), points).view(coarse.shape)
            weights = renderer.march_weights(coarse, sigma, config.density_gain)
            fine = renderer.fine_depths(coarse, weights, count, rng, random)
            depths = torch.sort(torch.cat([coarse[..., ::2], fine], dim=-1), dim=-1).values
        sigma, color = evaluate(depths)
        return depths, sigma, [color]

    def _evaluate(self, points: Tensor, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Return sigma `[N, M, 1]` and colors without margin `[N, M, C]`."""
        sigma, color = self.decoder(self._features(planes, points))
        shape = points.shape[:2]
        return self._mask(sigma.view(*shape, 1), points), color.view(*shape, -1)

    def _features(self, planes: Tensor, points: Tensor) -> Tensor:
        scaled = points * (2 / self.config.rendering.box_warp)
        return sample_planes(planes, scaled, PLANE_AXES[self.config.plane_axes])

    def _mask(self, sigma: Tensor, points: Tensor) -> Tensor:
        if not self.config.rendering.mask_outside:
            return sigma
        outside = points.detach().abs().amax(-1, keepdim=True) > self.config.rendering.box_warp / 2
        return sigma.masked_fill(outside, _EMPTY)

    def _check_ws(self, ws: Tensor) -> None:
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise InvalidArgumentError(
                "ws", expected=f"[N, {self.num_ws}, {self.w_dim}]", actual=list(ws.shape)
            )


_EMPTY = -30.0
"""A density before the softplus that is nothing after it."""


def _points(origins: Tensor, directions: Tensor, depths: Tensor) -> Tensor:
    points = origins[:, :, None] + depths[..., None] * directions[:, :, None]
    return points.flatten(1, 2)
