"""Random distortions of pictures, so that networks look at the face and not at the pixels."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.learning.distortions import mixed_colors, placement, seen_through


def _uniform(count: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return torch.rand(count, generator=rng, device=rng.device) * (high - low) + low


def move(
    image: Tensor,
    rng: torch.Generator,
    *,
    shift: float = 0.06,
    scale: float = 0.1,
    turn: float = 0.1,
) -> Tensor:
    """Shift, scale and turn pictures `[N, 3, H, W]` at random; edges are repeated.

    Args:
        shift: largest shift, as a share of the side.
        scale: largest relative change of size.
        turn: largest angle, in radians.
    """
    count = len(image)
    angle, size = _uniform(count, -turn, turn, rng), 1 + _uniform(count, -scale, scale, rng)
    offset = _uniform(2 * count, -2 * shift, 2 * shift, rng).view(count, 2)
    return seen_through(image, placement(angle, size, offset))


def recolor(
    image: Tensor, rng: torch.Generator, *, gain: float = 0.15, light: float = 0.25
) -> Tensor:
    """Change white balance, exposure, and the light across the picture, at random.

    Args:
        gain: largest relative change of a color channel.
        light: largest relative brightening towards one side.
    """
    count, size = len(image), image.shape[-1]
    gains = 1 + _uniform(3 * count, -gain, gain, rng).view(count, 3, 1, 1)
    exposure = 1 + _uniform(count, -light, light, rng).view(count, 1, 1, 1)
    axis = torch.linspace(-1, 1, size, device=rng.device)
    side = _uniform(count, 0, 2 * math.pi, rng).view(count, 1, 1, 1)
    ramp = torch.cos(side) * axis[None, None, None, :] + torch.sin(side) * axis[None, None, :, None]
    ramp = 1 + _uniform(count, 0, light, rng).view(count, 1, 1, 1) * ramp
    factor = (gains * exposure * ramp).to(image.device)
    return ((image + 1) * factor - 1).clamp(-1, 1)


def soften(image: Tensor, rng: torch.Generator, *, noise: float = 0.06) -> Tensor:
    """Add noise to all pictures, and halve the resolution of a random third of them."""
    count = len(image)
    amount = _uniform(count, 0, noise, rng).view(count, 1, 1, 1)
    grain = torch.randn(image.shape, generator=rng, device=rng.device)
    coarse = F.interpolate(F.avg_pool2d(image, 2), scale_factor=2, mode="bilinear")
    blurred = (_uniform(count, 0, 1, rng) < 1 / 3).view(count, 1, 1, 1).to(image.device)
    return torch.where(blurred, coarse, image) + (amount * grain).to(image.device)


def replace_background(
    image: Tensor, alpha: Tensor, rng: torch.Generator, *, share: float = 1.0
) -> Tensor:
    """Put heads before plain backgrounds of random colors.

    Args:
        image: `[N, 3, H, W]` in [-1, 1].
        alpha: `[N, 1, H, W]` in [0, 1]: coverage by the head.
        share: share of the pictures that are changed.
    """
    count = len(image)
    color = _uniform(3 * count, -1, 1, rng).view(count, 3, 1, 1).to(image.device)
    chosen = (_uniform(count, 0, 1, rng) < share).view(count, 1, 1, 1).to(image.device)
    return torch.where(chosen, color + alpha * (image - color), image)


def distort(image: Tensor, rng: torch.Generator) -> Tensor:
    """Apply all distortions but mirroring, because asymmetric hair distinguishes people."""
    return soften(recolor(move(image, rng), rng), rng)


def between(photo: Tensor, styled: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Make pictures between photos and the same people in a domain, each in one of seven ways.

    The two are mixed evenly or in patches. The colors of one are put on the detail of the other,
    both ways round. The photo gets the mean colors of the domain or random ones, and the picture
    of the domain gets random colors.

    Args:
        photo: `[N, 3, H, W]` in [-1, 1].
        styled: `[N, 3, H, W]`, the same people from the same view.

    Returns:
        Pictures `[N, 3, H, W]`, and how much of the style each has, `[N]` in [0, 1].
    """
    count, side = len(photo), photo.shape[-1]
    device = photo.device
    amount = torch.rand(count, 1, 1, 1, generator=rng).to(device)
    field = torch.randn(count, 1, 3, 3, generator=rng).to(device)
    patch = (F.interpolate(field, (side, side), mode="bicubic") > 0).float()
    coarse_photo, coarse_styled = (_coarse(item) for item in (photo, styled))
    mean, std = styled.mean((2, 3), keepdim=True), styled.std((2, 3), keepdim=True)
    own_mean, own_std = photo.mean((2, 3), keepdim=True), photo.std((2, 3), keepdim=True)
    ways = torch.stack(
        [
            torch.lerp(photo, styled, amount),
            torch.lerp(photo, styled, patch),
            photo - coarse_photo + coarse_styled,
            styled - coarse_styled + coarse_photo,
            (photo - own_mean) / own_std.clamp_min(0.05) * std + mean,
            _tint(photo, rng),
            _tint(styled, rng),
        ]
    )
    fixed = torch.tensor([0.0, 0.0, 0.4, 0.6, 0.2, 0.0, 0.8], device=device)
    shares = fixed[:, None].repeat(1, count)
    shares[0], shares[1] = amount.flatten(), patch.mean((1, 2, 3))
    way = torch.randint(len(ways), (count,), generator=rng).to(device)
    every = torch.arange(count, device=device)
    return ways[way, every].clamp(-1, 1), shares[way, every]


def _coarse(image: Tensor) -> Tensor:
    size = (image.shape[-2], image.shape[-1])
    return F.interpolate(F.avg_pool2d(image, 8), size, mode="bilinear")


def _tint(image: Tensor, rng: torch.Generator, strength: float = 0.25) -> Tensor:
    """Mix and shift the color channels at random."""
    count = len(image)
    mix = torch.eye(3) + strength * torch.randn(count, 3, 3, generator=rng)
    shift = strength * torch.randn(count, 3, 1, 1, generator=rng)
    return mixed_colors(image, mix, shift)
