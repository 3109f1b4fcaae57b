"""Layers with the published state names: fully connected, synthesis layer, to-RGB, block."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.generator.base import NoiseMode
from itportrait.ops.bias_act.op import LEAKY_GAIN, LEAKY_SLOPE
from itportrait.ops.modulated_conv import modulated_conv2d
from itportrait.ops.upfirdn2d import resample_filter, upsample2d


class FullyConnected(nn.Module):
    """`y = act(x W^T g + b l)` with the runtime gains of StyleGAN2: `g = l / sqrt(in)`."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activate: bool = False,
        lr_mult: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mult)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init))
        self.activate = activate
        self.weight_gain = lr_mult / math.sqrt(in_features)
        self.bias_gain = lr_mult

    def effective(self, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Return weight and bias with their gains, of all outputs or of `rows` alone."""
        weight, bias = self.weight[..., rows, :], self.bias[..., rows]
        return weight * self.weight_gain, bias * self.bias_gain if self.bias_gain != 1 else bias

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., in]` to `[..., out]`; weights of its own for each sample take `[N, ..., in]`.

        See `itportrait.generator.substitutes` for weights of the second kind.
        """
        weight, bias = self.effective()
        if weight.ndim == 2 and bias.ndim == 1:
            x = F.linear(x, weight, bias)
        else:
            x = _linear_each(x, weight, bias)
        return F.leaky_relu(x, LEAKY_SLOPE) * LEAKY_GAIN if self.activate else x


def _linear_each(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Map each sample of `[N, ..., in]` with weights of its own, `[N, out, in]` and `[N, out]`.

    One of the two may be the same for all samples.
    """
    rows = x.flatten(1, -2) if x.ndim > 2 else x[:, None]
    out = rows @ weight.transpose(-1, -2) + (bias[:, None] if bias.ndim == 2 else bias)
    return out.view(*x.shape[:-1], out.shape[-1])


class SynthesisLayer(nn.Module):
    """Style -> modulated, demodulated 3 x 3 convolution -> noise -> bias, leaky ReLU, clamp."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: int = 1,
        use_noise: bool = True,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up, self.use_noise, self.conv_clamp = up, use_noise, conv_clamp
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("resample_filter", resample_filter())
        if use_noise:
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros([]))

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: NoiseMode, rng: torch.Generator | None
    ) -> Tensor:
        """Map `[N, in, H, W]` and w `[N, w_dim]` to `[N, out, up * H, up * W]`."""
        return modulated_conv2d(
            x,
            self.weight,
            self.affine(w),
            bias=self.bias,
            noise=self._noise(x, noise_mode, rng),
            up=self.up,
            kernel=self.resample_filter if self.up > 1 else None,
            clamp=self.conv_clamp,
        )

    def _noise(self, x: Tensor, mode: NoiseMode, rng: torch.Generator | None) -> Tensor | None:
        if mode not in get_args(NoiseMode):
            raise InvalidArgumentError(
                "noise_mode", expected="none, const or random", actual=repr(mode)
            )
        if not self.use_noise or mode == "none":
            return None
        strength = self.noise_strength
        if strength.ndim == 1:  # one of its own for each sample
            strength = strength[:, None, None, None]
        if mode == "const":
            return self.noise_const * strength
        shape = (len(x), 1, x.shape[2] * self.up, x.shape[3] * self.up)
        return random_like(torch.randn, shape, x.device, rng) * strength


class ToRgb(nn.Module):
    """Style -> modulated 1 x 1 convolution, not demodulated -> bias, clamp."""

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, conv_clamp: float | None
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map `[N, in, H, W]` and w `[N, w_dim]` to `[N, out, H, W]`."""
        styles = self.affine(w) * self.weight_gain
        return modulated_conv2d(
            x,
            self.weight,
            styles,
            bias=self.bias,
            demodulate=False,
            slope=1.0,
            gain=1.0,
            clamp=self.conv_clamp,
        )


class SynthesisBlock(nn.Module):
    """Two layers and a to-RGB that adds to the skip image; the first block has a constant input."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        image_channels: int,
        *,
        up: bool = True,
        use_noise: bool = True,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up = up and in_channels > 0
        self.num_conv = 2 if in_channels else 1
        self.register_buffer("resample_filter", resample_filter())
        layer = partial(SynthesisLayer, use_noise=use_noise, conv_clamp=conv_clamp)
        if in_channels:
            self.conv0 = layer(in_channels, out_channels, w_dim, resolution, up=2 if up else 1)
        else:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        self.conv1 = layer(out_channels, out_channels, w_dim, resolution)
        self.torgb = ToRgb(out_channels, image_channels, w_dim, conv_clamp)

    def forward(
        self,
        x: Tensor | None,
        image: Tensor | None,
        ws: Tensor,
        *,
        noise_mode: NoiseMode = "const",
        rng: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        added: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Refine features and skip image by one level.

        Args:
            x: `[N, in, H, W]`, or none for the first block.
            image: skip image `[N, image_channels, H, W]`, or none.
            ws: `[N, num_conv + 1, w_dim]`.
            noise_mode: `none`, `const` or `random`.
            rng: for `random`.
            dtype: of the layers, if not that of `ws`; the image has at least single precision.
            added: what is added to a layer's output, by the layer's name (`conv0`, `conv1`).

        Returns:
            `(x, image)`, twice the size where the block upsamples.
        """
        w = list(ws.unbind(1))
        dtype, added = dtype or ws.dtype, added or {}
        if x is None:
            constant = self.const.to(dtype).expand(len(ws), -1, -1, -1)
            features = constant.contiguous(memory_format=torch.channels_last)
        else:
            features = self.conv0(x.to(dtype), w.pop(0), noise_mode, rng)
            if "conv0" in added:
                features = features + added["conv0"].to(dtype)
        features = self.conv1(features, w.pop(0), noise_mode, rng)
        if "conv1" in added:
            features = features + added["conv1"].to(dtype)
        rgb = self.torgb(features, w.pop(0)).to(at_least_single(ws.dtype))
        if image is None:
            return features, rgb
        if self.up:
            image = upsample2d(image, self.resample_filter)
        return features, image + rgb


def at_least_single(dtype: torch.dtype) -> torch.dtype:
    """Return the type itself, or float32 for those of half precision."""
    return torch.promote_types(dtype, torch.float32)


def random_like(
    draw: Callable[..., Tensor],
    shape: tuple[int, ...],
    device: torch.device,
    rng: torch.Generator | None,
) -> Tensor:
    """Draw with `torch.rand` or `torch.randn` on the generator's own device, then move."""
    source = device if rng is None else rng.device
    return draw(shape, generator=rng, device=source).to(device)
