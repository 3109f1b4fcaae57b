"""Configuration of a tri-plane generator; the defaults are EG3D's published choices."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from itportrait.config import Settings
from itportrait.geometry.planes import PlaneAxes

# Bounds of what a configuration may ask for: it may come from others, with their weights.
_MOST_CHANNELS = 8192
_LARGEST_SIDE = 4096
_MOST_LAYERS = 64
_MOST_SAMPLES = 4096

Channels = Annotated[int, Field(ge=1, le=_MOST_CHANNELS)]
"""A number of channels."""
Factor = Annotated[float, Field(ge=-1e6, le=1e6)]
"""A number that enters the arithmetic: far from the end of single precision."""


class RenderingConfig(Settings):
    """How rays are sampled and composited."""

    model_config = ConfigDict(allow_inf_nan=False)

    depth_resolution: int = Field(default=48, ge=2, le=_MOST_SAMPLES)
    """Number of coarse samples along a ray."""
    depth_resolution_importance: int = Field(default=48, ge=0, le=_MOST_SAMPLES)
    """Number of fine samples, drawn where the coarse ones have weight; 0 is one pass."""
    ray_start: Factor | Literal["auto"] = 2.25
    """Depth of the first sample, in world units; `auto` is where the ray enters the box."""
    ray_end: Factor | Literal["auto"] = 3.3
    """Depth of the last sample, in world units; `auto` is where the ray leaves the box."""
    box_warp: Factor = Field(default=1.0, gt=0)
    """Side of the cube that the planes cover, in world units."""
    disparity_space_sampling: bool = False
    """Whether coarse samples are evenly spaced in inverse depth."""
    white_back: bool = False
    """Whether rays that meet nothing are white."""
    density_gain: Factor = Field(default=1.0, gt=0)
    """Factor on the density; a large one lets an untrained network form a surface at all."""
    mask_outside: bool = False
    """Whether the density outside of the box is zero (published: whatever zero features give)."""
    merge_coarse: bool = True
    """Whether coarse samples keep their colors and gradients and are merged with the fine ones
    (published). If not, they only guide, without gradients, and every second one's depth is
    evaluated again with the fine ones: cheaper in training."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        start, end = self.ray_start, self.ray_end
        if (start == "auto") != (end == "auto"):
            raise ValueError("ray_start and ray_end must both be 'auto', or both numbers")
        if not isinstance(start, str) and not isinstance(end, str) and start >= end:
            raise ValueError(f"ray_start must lie before ray_end, got {start} and {end}")
        return self


class SuperResolutionBlock(Settings):
    """One block of a custom super-resolution."""

    channels: Channels
    """Number of output channels."""
    up: bool = True
    """Whether the block doubles the resolution."""


class GeneratorConfig(Settings):
    """A tri-plane generator: EG3D's published ones and the embedded small one."""

    model_config = ConfigDict(allow_inf_nan=False)

    z_dim: int = Field(default=512, ge=1, le=_MOST_CHANNELS)
    """Length of a latent vector z."""
    w_dim: int = Field(default=512, ge=1, le=_MOST_CHANNELS)
    """Length of a vector w."""
    image_resolution: int = Field(default=512, ge=1, le=_LARGEST_SIDE)
    """Side of the final image, in pixels."""
    neural_rendering_resolution: int = Field(default=128, ge=1, le=_LARGEST_SIDE)
    """Side of the image before super-resolution, in pixels, where a call does not name another."""
    mapping: Literal["stylegan", "skip"] = "stylegan"
    """Kind of the mapping from z to w. `stylegan` is the published one, conditioned on the camera.
    `skip` is w = [z, MLP(z)], without a camera."""
    mapping_layers: int = Field(default=2, ge=0, le=_MOST_LAYERS)
    """Number of fully connected layers of the mapping."""
    mapping_hidden: int | None = Field(default=None, ge=1, le=_MOST_CHANNELS)
    """Width of the mapping's hidden layers; None is `w_dim`."""
    mapping_lr_mult: Factor = 0.01
    """Learning-rate multiplier of the published mapping (the skip mapping has none)."""
    camera_scale: Factor = 1.0
    """Factor on the camera that conditions the mapping."""
    camera_conditioning_zero: bool = False
    """Whether the mapping sees zeros instead of the camera."""
    plane_resolution: int = Field(default=256, ge=1, le=_LARGEST_SIDE)
    """Side of the tri-planes, in pixels."""
    plane_channels: int = Field(default=32, ge=1, le=_MOST_CHANNELS)
    """Number of features of each plane."""
    plane_axes: PlaneAxes = "eg3d"
    """World axes of the planes: `eg3d` for published checkpoints, which were trained with them, or
    `corrected`."""
    channel_base: int = Field(default=32768, ge=1, le=1 << 20)
    """The backbone's number of channels at a resolution is this number over the resolution."""
    channel_max: int = Field(default=512, ge=1, le=_MOST_CHANNELS)
    """Largest number of the backbone's channels at any resolution."""
    backbone_channels: tuple[Channels, ...] | None = None
    """Number of the backbone's channels at each resolution, from 4 pixels up; None follows
    `channel_base`."""
    use_noise: bool = True
    """Whether synthesis layers add noise, be it fixed or random."""
    conv_clamp: Factor | None = None
    """Largest activation of the backbone; None is no bound."""
    decoder_hidden: int = Field(default=64, ge=1, le=_MOST_CHANNELS)
    """Width of the decoder's hidden layer."""
    decoder_lr_mult: Factor = 1.0
    """Learning-rate multiplier of the decoder."""
    background: bool = False
    """Whether a small network of ray direction and w colors the background."""
    superresolution: Literal["8XDC", "4X", "2X", "custom"] = "8XDC"
    """Kind of the super-resolution: a published one for 512 (`8XDC`), 256 (`4X`) or 128 (`2X`)
    pixels, or `custom`, with `superresolution_blocks`."""
    superresolution_blocks: tuple[SuperResolutionBlock, ...] = Field(
        default=(), max_length=_MOST_LAYERS
    )
    """Blocks of a custom super-resolution, which starts at the neural rendering resolution."""
    superresolution_noise: Literal["none", "const", "random"] = "none"
    """Noise of the super-resolution's layers."""
    superresolution_antialias: bool = True
    """Whether features of another size are resized with an anti-aliasing filter."""
    superresolution_half: bool = True
    """Whether the super-resolution runs in half precision on a GPU, and clamps at 256."""
    rendering: RenderingConfig = RenderingConfig()
    """How rays are sampled and composited."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        for name in ("plane_resolution", "image_resolution"):
            value = getattr(self, name)
            if value < 8 or value & (value - 1):
                raise ValueError(f"{name} must be a power of two from 8 up, got {value}")
        if self.backbone_channels is not None and len(self.backbone_channels) != (
            self.plane_resolution.bit_length() - 2
        ):
            raise ValueError(
                f"backbone_channels must name {self.plane_resolution.bit_length() - 2} blocks "
                f"(4 to {self.plane_resolution} pixels), got {len(self.backbone_channels)}"
            )
        if self.mapping == "skip" and self.w_dim <= self.z_dim:
            raise ValueError(f"w_dim must exceed z_dim for the skip mapping, got {self.w_dim}")
        if self.superresolution == "custom":
            factor = 2 ** sum(block.up for block in self.superresolution_blocks)
            if self.neural_rendering_resolution * factor != self.image_resolution:
                raise ValueError(
                    "superresolution_blocks must lead from neural_rendering_resolution "
                    f"{self.neural_rendering_resolution} to image_resolution "
                    f"{self.image_resolution}, got a factor of {factor}"
                )
        elif self.image_resolution != {"8XDC": 512, "4X": 256, "2X": 128}[self.superresolution]:
            raise ValueError(
                f"image_resolution does not fit superresolution {self.superresolution}: 8XDC gives "
                f"512, 4X 256, 2X 128 pixels, got {self.image_resolution}"
            )
        return self

    def channels(self) -> list[int]:
        """Return the backbone's channels from 4 pixels to `plane_resolution`."""
        if self.backbone_channels is not None:
            return list(self.backbone_channels)
        levels = range(2, self.plane_resolution.bit_length())
        return [min(self.channel_base // 2**level, self.channel_max) for level in levels]

    @classmethod
    def from_eg3d(
        cls,
        init_kwargs: dict[str, Any],
        *,
        neural_rendering_resolution: int = 64,
        plane_axes: PlaneAxes = "eg3d",
    ) -> Self:
        """Build from the published constructor arguments.

        Args:
            init_kwargs: as in a published checkpoint, `rendering_kwargs` among them.
            neural_rendering_resolution: not a constructor argument there but an attribute of the
                object (64 unless trained further; 128 for ffhq512-128).
            plane_axes: with which the checkpoint was trained; nothing in it tells.

        Raises:
            InvalidArgumentError: an argument that this generator does not support.
        """
        from itportrait.generator.published import settings_from_eg3d

        return cls.parse(
            settings_from_eg3d(init_kwargs)
            | {
                "neural_rendering_resolution": neural_rendering_resolution,
                "plane_axes": plane_axes,
            },
            source="init_kwargs",
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` takes back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Build from what `to_json` returned.

        Raises:
            InvalidArgumentError: unknown keys or invalid values, all named.
        """
        return cls.parse(data, source="generator configuration")
