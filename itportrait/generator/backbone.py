"""The StyleGAN2 backbone that draws the tri-planes."""

from collections.abc import Mapping as MappingOf

import torch
from torch import Tensor, nn

from itportrait.generator.base import NoiseMode
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.layers import SynthesisBlock
from itportrait.generator.mapping import Mapping

NUM_PLANES = 3


class Synthesis(nn.Module):
    """Blocks `b4`, `b8`, ... of the 'skip' architecture; the skip image holds the planes."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.block_names: list[str] = []
        previous, self.num_ws = 0, 0
        for level, channels in enumerate(config.channels(), start=2):
            block = SynthesisBlock(
                previous,
                channels,
                config.w_dim,
                2**level,
                NUM_PLANES * config.plane_channels,
                use_noise=config.use_noise,
                conv_clamp=config.conv_clamp,
            )
            self.add_module(f"b{2**level}", block)
            self.block_names.append(f"b{2**level}")
            previous, self.num_ws = channels, self.num_ws + block.num_conv
        self.num_ws += 1

    def forward(
        self,
        ws: Tensor,
        noise_mode: NoiseMode,
        rng: torch.Generator | None = None,
        *,
        added: MappingOf[str, MappingOf[str, Tensor]] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Map `ws [N, num_ws, w_dim]` to `[N, 3 * C, H, W]`.

        Each block reads its convolutions' ws and one more for its to-RGB, which is also the first
        of the next block.

        Args:
            ws: `[N, num_ws, w_dim]`.
            noise_mode: `none`, `const` or `random`.
            rng: for `random`.
            added: what is added to layers' outputs, by block and layer (`b8`, `conv0`).
            dtype: of the layers, if not that of `ws`.
        """
        x = image = None
        start = 0
        for name in self.block_names:
            block = self.get_submodule(name)
            assert isinstance(block, SynthesisBlock)
            part = ws[:, start : start + block.num_conv + 1]
            own = None if added is None else added.get(name)
            x, image = block(x, image, part, noise_mode=noise_mode, rng=rng, added=own, dtype=dtype)
            start += block.num_conv
        assert image is not None
        return image


class Backbone(nn.Module):
    """Mapping and synthesis under the published names."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.synthesis = Synthesis(config)
        self.mapping = Mapping(config, self.synthesis.num_ws)
