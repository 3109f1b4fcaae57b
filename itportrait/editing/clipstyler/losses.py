"""Terms of CLIPstyler's fit, one value a portrait; pictures are `[N, 3, H, W]` in [-1, 1]."""

from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.losses import cosine_loss

_TINY = 1e-12
"""Added to squares under a root, whose gradient is infinite where a picture is flat."""
_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


@dataclass(frozen=True)
class Patches:
    """Random patches of one picture, each seen in a random perspective.

    Args:
        places: `[P, 2]` of the patches' middles, right and down, from -1 to 1 over the picture.
        maps: `[P, 3, 3]` homographies from what is seen to the patch, both from -1 to 1.
        share: side of a patch as a share of the picture's.
    """

    places: Tensor
    maps: Tensor
    share: float

    @classmethod
    def draw(cls, count: int, share: float, distortion: float, rng: torch.Generator) -> Self:
        """Draw patches.

        Args:
            count: number of patches.
            share: side of a patch as a share of the picture's, in (0, 1].
            distortion: how far corners move inwards at most, as a share of half a patch's side.
            rng: CPU generator.
        """
        places = (torch.rand(count, 2, generator=rng) * 2 - 1) * (1 - share)
        moved = 1 - distortion * torch.rand(count, 4, 2, generator=rng)
        corners = torch.tensor(_CORNERS)
        return cls(places, homographies(corners * moved, corners.expand_as(moved)), share)

    def grid(self, side: int) -> tuple[Tensor, Tensor]:
        """Return where a picture is sampled `[P, side, side, 2]`, and what the patch shows of it.

        The second, `[P, side, side]`, is 1 within the patch and 0 beyond, where black is seen.
        """
        axis = (torch.arange(side) + 0.5) * 2 / side - 1
        down, right = torch.meshgrid(axis, axis, indexing="ij")
        seen = torch.stack([right, down, torch.ones_like(right)], -1)
        at = torch.einsum("pij,hwj->phwi", self.maps, seen)
        at = at[..., :2] / at[..., 2:]
        within = (at.abs() <= 1).all(-1).float()
        return at * self.share + self.places[:, None, None], within


def homographies(points: Tensor, images: Tensor) -> Tensor:
    """Return the projective maps `[P, 3, 3]` that take four points to four others, `[P, 4, 2]`."""
    x, y = points[..., 0], points[..., 1]
    one, none = torch.ones_like(x), torch.zeros_like(x)
    rows: list[Tensor] = []
    for axis in (0, 1):
        to = images[..., axis]
        own = [x, y, one] if axis == 0 else [none] * 3
        other = [none] * 3 if axis == 0 else [x, y, one]
        rows.append(torch.stack([*own, *other, -to * x, -to * y], -1))
    values = torch.cat([images[..., 0], images[..., 1]], 1)
    solved = cast(
        "Tensor",
        torch.linalg.solve(torch.cat(rows, 1), values),  # pyright: ignore[reportUnknownMemberType]
    )
    return torch.cat([solved, torch.ones_like(solved[:, :1])], 1).view(-1, 3, 3)


def seen_patches(image: Tensor, patches: list[Patches]) -> Tensor:
    """Return the patches of each picture, `[N * P, 3, s, s]`, the first picture's first.

    Args:
        image: `[N, 3, H, W]`, with gradient.
        patches: one set a picture, all with P patches of one share; s = share * H.
    """
    side = max(round(patches[0].share * image.shape[-1]), 1)
    grids = [each.grid(side) for each in patches]
    places = torch.stack([grid.flatten(0, 1) for grid, _ in grids]).to(image)
    within = torch.stack([seen for _, seen in grids]).to(image).flatten(0, 1)[:, None]
    sampled = F.grid_sample(image, places, padding_mode="border", align_corners=False)
    shape = (len(image), 3, len(patches[0].places), side, side)
    views = sampled.reshape(shape).transpose(1, 2).flatten(0, 1)
    return views * within + (within - 1)


def patch_loss(change: Tensor, direction: Tensor, threshold: float) -> Tensor:
    """Return the mean over patches of the directional losses that reach a threshold, `[N]`.

    Args:
        change: `[N, P, D]`, patches' features minus those of the whole unstylized picture.
        direction: `[D]` of the words.
        threshold: losses below it count as 0, but count in the mean.
    """
    loss = cosine_loss(change, direction)
    return torch.where(loss < threshold, 0.0, loss).mean(1)


def content_loss(features: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Return the mean squared difference of each pair of maps `[N, C, h, w]`, summed: `[N]`."""
    pairs = zip(features, wanted, strict=True)
    return torch.stack([(a - b).square().mean((1, 2, 3)) for a, b in pairs]).sum(0)


def total_variation(image: Tensor) -> Tensor:
    """Return the sum of four norms, `[N]`: of all differences of pixels to their neighbors.

    Neighbors are those to the right, below, and on both diagonals; colors count from 0 to 1.
    """
    pixels = image / 2
    differences = (
        pixels[..., :, 1:] - pixels[..., :, :-1],
        pixels[..., 1:, :] - pixels[..., :-1, :],
        pixels[..., 1:, 1:] - pixels[..., :-1, :-1],
        pixels[..., 1:, :-1] - pixels[..., :-1, 1:],
    )
    squares = torch.stack([each.square().sum((1, 2, 3)) for each in differences])
    return (squares + _TINY).sqrt().sum(0)
