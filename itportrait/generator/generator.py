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
from itportrait.generator.precision import PrecisionName, in_own_precision, precision_on
from itportrait.generator.rows import row_layers, row_sets
from itportrait.generator.superresolution import SuperResolution
from itportrait.generator.volume import Volume
from itportrait.geometry.camera import check_camera
from itportrait.geometry.rays import camera_rays
from itportrait.ops.render_rays.reference import middles


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

    def compute_in(self, asked: PrecisionName) -> None:
        self.precision = precision_on(self.device, asked)

    @in_own_precision
    def mapping(
        self,
        z: Tensor,
        camera: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        return self.backbone.mapping(z, camera, truncation_psi, truncation_cutoff)

    @in_own_precision
    def planes(
        self, ws: Tensor, noise_mode: NoiseMode = "const", rng: torch.Generator | None = None
    ) -> Tensor:
        """Draw the tri-planes `[N, 3, C, H, W]`; see `Generator.planes`."""
        self._check_ws(ws)
        deformation = self.deformation
        added = None if deformation is None else deformation.features(ws)
        planes = self.backbone.synthesis(
            ws, noise_mode, rng, added=added, dtype=self.precision.half
        )
        planes = planes.unflatten(1, (NUM_PLANES, self.config.plane_channels))
        return planes if deformation is None else deformation.planes(planes, ws)

    @in_own_precision
    def sample(self, points: Tensor, planes: Tensor) -> tuple[Tensor, Tensor]:
        if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(planes):
            raise InvalidArgumentError(
                "points", expected=f"[{len(planes)}, M, 3]", actual=list(points.shape)
            )
        sigma, color = self._volume(planes).evaluate(points)
        return sigma, renderer.with_margin(color)

    @in_own_precision
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
            planes,
            ws,
            origins,
            directions,
            rng,
            random=sampling == "random",
            with_samples=return_samples,
        )

        def to_image(values: Tensor) -> Tensor:
            return values.transpose(1, 2).view(len(values), -1, resolution, resolution)

        feature_image = to_image(features)
        return Rendering(
            image=self._super_resolved(feature_image, ws, rng) if super_resolve else None,
            image_raw=feature_image[:, :3],
            image_depth=to_image(depth),
            image_alpha=to_image(alpha),
            samples=samples,
        )

    def _super_resolved(self, features: Tensor, ws: Tensor, rng: torch.Generator | None) -> Tensor:
        return self.superresolution(features, ws, rng, dtype=self.precision.half)

    def _composite(
        self,
        planes: Tensor,
        ws: Tensor,
        origins: Tensor,
        directions: Tensor,
        rng: torch.Generator | None,
        *,
        random: bool,
        with_samples: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Samples | None]:
        """Return features `[N, M, C]` in about [-1, 1], depth and alpha `[N, M, 1]`, samples."""
        seen, depths = self._volume(planes).composite(
            origins, directions, rng, random=random, with_weights=with_samples
        )
        alpha = seen.alpha
        features = renderer.with_margin(seen.features, alpha)
        if self.background is not None:
            features = features + (1 - alpha) * self.background(directions, ws[:, -1])
        elif self.config.rendering.white_back:
            features = features + (1 - alpha)
        # Published: 0 / 0 made infinite, then clamped; its gradient is not a number, this is 0.
        empty = alpha == 0
        depth = seen.distance / alpha.masked_fill(empty, 1)
        depth = depth.masked_fill(empty, float("inf")).clamp(depths.min(), depths.max())
        samples = None if seen.weights is None else Samples(middles(depths), seen.weights)
        return features * 2 - 1, depth, alpha, samples

    def _volume(self, planes: Tensor) -> Volume:
        return Volume(self.config, self.decoder, planes)

    def _check_ws(self, ws: Tensor) -> None:
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise InvalidArgumentError(
                "ws", expected=f"[N, {self.num_ws}, {self.w_dim}]", actual=list(ws.shape)
            )
