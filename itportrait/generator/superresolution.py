"""From the rendered features to the final image: the three published kinds, and custom blocks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.generator.base import NoiseMode
from itportrait.generator.config import GeneratorConfig, SuperResolutionBlock
from itportrait.generator.layers import SynthesisBlock, at_least_single
from itportrait.ops.upfirdn2d import resample_filter

_PUBLISHED = {
    "8XDC": (128, (SuperResolutionBlock(channels=256), SuperResolutionBlock(channels=128))),
    "4X": (
        128,
        (SuperResolutionBlock(channels=128, up=False), SuperResolutionBlock(channels=64)),
    ),
    "2X": (64, (SuperResolutionBlock(channels=128, up=False), SuperResolutionBlock(channels=64))),
}
"""Input resolution and blocks."""

_HALF_CLAMP = 256.0


class SuperResolution(nn.Module):
    """Synthesis blocks `block0`, `block1`, ... that all read the last w."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.kind = config.superresolution
        if self.kind == "custom":
            self.input_resolution = config.neural_rendering_resolution
            blocks = config.superresolution_blocks
        else:
            self.input_resolution, blocks = _PUBLISHED[self.kind]
        self.antialias, self.half_on_gpu = (
            config.superresolution_antialias,
            config.superresolution_half,
        )
        self.noise_mode: NoiseMode = config.superresolution_noise
        if self.kind in ("4X", "2X"):
            # Unused, but part of the published state of these two kinds.
            self.register_buffer("resample_filter", resample_filter())
        channels, resolution, self.num_blocks = config.plane_channels, self.input_resolution, 0
        for block in blocks:
            resolution *= 2 if block.up else 1
            module = SynthesisBlock(
                channels,
                block.channels,
                config.w_dim,
                resolution,
                3,
                up=block.up,
                use_noise=config.use_noise,
                # Published code clamps in single precision too, wherever half was asked for.
                conv_clamp=_HALF_CLAMP if self.half_on_gpu else None,
            )
            self.add_module(f"block{self.num_blocks}", module)
            self.num_blocks += 1
            channels = block.channels

    def forward(
        self,
        features: Tensor,
        ws: Tensor,
        rng: torch.Generator | None = None,
        *,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Map features `[N, C, R, R]` (their first three channels are the raw image) to the image.

        Args:
            features: any R; another than the input resolution is resized first.
            ws: `[N, num_ws, w_dim]`; the last w counts.
            rng: for noise mode `random`.
            dtype: of the layers, if not that of `ws`; half precision on a GPU, where it was
                published so, comes first.

        Returns:
            `[N, 3, S, S]`, of at least single precision.
        """
        x, size = features, self.input_resolution
        if x.shape[-1] < size or (x.shape[-1] > size and self.kind != "4X"):
            x = F.interpolate(
                x, (size, size), mode="bilinear", align_corners=False, antialias=self.antialias
            )
        image = x[:, :3].to(at_least_single(x.dtype))
        w = ws[:, -1:].repeat(1, 3, 1)
        dtype = torch.float16 if self.half_on_gpu and x.is_cuda else dtype
        for i in range(self.num_blocks):
            block = self.get_submodule(f"block{i}")
            x, image = block(x, image, w, noise_mode=self.noise_mode, rng=rng, dtype=dtype)
        return image
