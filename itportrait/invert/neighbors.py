"""Views beside a portrait's own: their cameras, and what its picture shows of them."""

from dataclasses import dataclass

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from itportrait.config import Settings
from itportrait.generator import Generator
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.geometry.warp import foreshortening, lift, turn_between, warp
from itportrait.invert.camera import EXPECTED_ERROR, correct_camera
from itportrait.invert.loop import RowRandom

_SOLID = 0.9
"""Accumulated weight of a ray from which on its depth is that of a surface."""
_FORESHORTENED = (0.4, 0.8)
"""Ratio of foreshortening between which the trust in a warped pixel rises from 0 to 1."""
_FINER = 2
"""Depth is rendered with this many times the pixels of the neural rendering, for sharper edges."""


class WarpConfig(Settings):
    """Which pixels of a portrait are taken for those of another view."""

    tolerance: float = Field(default=0.03, gt=0)
    """Largest difference of depth at which two views show the same point, in units of FFHQ's
    world."""
    full_turn_rad: float = Field(default=0.2, ge=0)
    """Turn between the views up to which a warped pixel counts in full, in radians."""
    last_turn_rad: float = Field(default=0.75, gt=0)
    """Turn between the views from which on a warped pixel does not count, in radians."""

    @model_validator(mode="after")
    def _turns_are_in_order(self) -> "WarpConfig":
        if not self.full_turn_rad < self.last_turn_rad:
            raise ValueError(
                f"expected full_turn_rad < last_turn_rad, got {self.full_turn_rad} and "
                f"{self.last_turn_rad}"
            )
        return self


@dataclass(frozen=True)
class Shape:
    """Depth of portraits from one camera each.

    Args:
        camera: `[N, 25]`.
        depth: `[N, 1, S, S]` distance along the rays.
        solid: `[N, 1, S, S]`: 1 where a ray meets a surface, 0 where it sees the background.
    """

    camera: Tensor
    depth: Tensor
    solid: Tensor


class Model:
    """Portraits as a generator draws them, seen from any camera.

    Args:
        generator: the base, or one that is tuned to the portraits.
        ws: `[N, num_ws, w_dim]`.
    """

    def __init__(self, generator: Generator, ws: Tensor) -> None:
        self.generator, self.ws = generator, ws
        with torch.no_grad():
            self.planes = generator.planes(ws)

    @torch.no_grad()
    def picture(self, camera: Tensor) -> Tensor:
        """Return the portraits `[N, 3, S, S]` from cameras `[N, 25]`."""
        return self.generator.render(self.planes, self.ws, camera).final_image

    @torch.no_grad()
    def shape(self, camera: Tensor) -> Shape:
        """Return the portraits' depth from cameras `[N, 25]`, at the size of their pictures."""
        generator, size = self.generator, self.generator.image_resolution
        view = generator.render(
            self.planes,
            self.ws,
            camera,
            neural_rendering_resolution=min(_FINER * generator.neural_rendering_resolution, size),
            super_resolve=False,
        )
        depth, alpha = (
            F.interpolate(values, (size, size), mode="bilinear", align_corners=False)
            for values in (view.image_depth, view.image_alpha)
        )
        return Shape(camera, depth, (alpha >= _SOLID).to(depth))


def beside(
    cameras: Tensor, random: RowRandom, *, yaw_rad: float, pitch_rad: float, orbit: Orbit
) -> Tensor:
    """Draw cameras near others, to both sides of them, above and below.

    Args:
        cameras: `[N, 25]`.
        random: of the portraits.
        yaw_rad: largest turn about the head's vertical axis (uniform).
        pitch_rad: largest turn up or down (uniform).
        orbit: of the generator's family.

    Returns:
        `[N, 25]`.
    """
    turns = random.uniform(2).to(cameras) * cameras.new_tensor([yaw_rad, pitch_rad])
    units = turns / cameras.new_tensor(EXPECTED_ERROR[:2])
    return correct_camera(cameras, F.pad(units, (0, len(EXPECTED_ERROR) - 2)), orbit)


def around(
    like: Tensor, random: RowRandom, *, yaw_rad: float, pitch_rad: float, orbit: Orbit
) -> Tensor:
    """Draw cameras `[N, 25]` all around the front of the head, to both sides.

    Args:
        like: gives type and device.
        random: of the portraits.
        yaw_rad: largest yaw (uniform).
        pitch_rad: largest pitch, up or down (uniform).
        orbit: of the generator's family.
    """
    angles = random.uniform(2).to(like)
    return look_at_camera(angles[:, 0] * yaw_rad, angles[:, 1] * pitch_rad, orbit)


def warped(
    image: Tensor,
    mask: Tensor | None,
    source: Shape,
    target: Shape,
    *,
    config: WarpConfig,
    orbit: Orbit,
) -> tuple[Tensor, Tensor]:
    """Show pictures from other cameras, with the trust that each pixel deserves.

    Args:
        image: `[N, 3, S, S]` from the source's cameras.
        mask: `[N, 1, S, S]`: 0 where the pictures are not the portraits. None is 1 everywhere.
        source: the portraits' depth from the pictures' cameras.
        target: their depth from the other cameras.
        config: which pixels are trusted.
        orbit: of the generator's family; the tolerance grows with its heads.

    Returns:
        `(warped [N, 3, S, S], trust [N, 1, S, S])`: the trust is 0 for what the pictures do not
        show, and less than 1 for what they show from far aside or much foreshortened.
    """
    usable = source.solid if mask is None else source.solid * mask
    seen, visible = warp(
        torch.cat([image, usable], 1),
        source_depth=source.depth,
        source_camera=source.camera,
        target_depth=target.depth,
        target_camera=target.camera,
        tolerance=config.tolerance * orbit.head_scale,
    )
    points = lift(target.depth, target.camera)
    turn = turn_between(points, target.camera, source.camera).view_as(visible)
    range_rad = config.last_turn_rad - config.full_turn_rad
    near = ((config.last_turn_rad - turn) / range_rad).clamp(0, 1)
    ratio = foreshortening(target.depth, target.camera, source.camera)
    ratio = torch.minimum(ratio, 1 / ratio.clamp_min(_FORESHORTENED[0]))
    least, full = _FORESHORTENED
    facing = ((ratio - least) / (full - least)).clamp(0, 1)
    whole = (seen[:, 3:] >= _SOLID).to(visible)
    return seen[:, :3], visible * target.solid * whole * near * facing
