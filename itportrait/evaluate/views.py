"""Renders of portraits in a style, all from one binding: what every score is computed from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Rendering
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.styles import Codes, PreparedStyle, join_renderings

SIDE_DEG = 30.0
"""Yaw of the two side views, in degrees."""
BATCH = 8
"""Number of portraits that are bound and rendered at once."""


@dataclass(frozen=True)
class PortraitViews:
    """Portraits in a style.

    Args:
        own: renders from the portraits' own cameras.
        around: `[N, 3, 3, S, S]` in [-1, 1]: of each portrait the frontal view, and the views from
            both sides.
        fitted: what the style has fitted to each portrait, see `BoundStyle.fitted`.
    """

    own: Rendering
    around: Tensor
    fitted: tuple[bytes, ...] | None = None

    def __len__(self) -> int:
        return len(self.around)

    @property
    def frontal(self) -> Tensor:
        """The frontal views, `[N, 3, S, S]`."""
        return self.around[:, 0]


@torch.no_grad()
def render_views(
    style: PreparedStyle,
    codes: Codes,
    orbit: Orbit,
    *,
    side_deg: float = SIDE_DEG,
    batch_size: int = BATCH,
    fitted: Sequence[bytes] | None = None,
) -> PortraitViews:
    """Render portraits from their own cameras, from the front and from both sides.

    Each portrait is bound once, so that a style that fits portraits fits each of them once.

    Args:
        style: prepared for the base generator.
        codes: the portraits.
        orbit: of the family, for the views around them.
        side_deg: yaw of the side views, in degrees.
        batch_size: number of portraits bound and rendered at once.
        fitted: `PortraitViews.fitted` of the same portraits from an earlier time; nothing is then
            fitted again.

    Raises:
        InvalidArgumentError: `fitted` is of another number of portraits.
    """
    if fitted is not None and len(fitted) != len(codes):
        raise InvalidArgumentError(
            "fitted", expected=f"{len(codes)}, one a portrait", actual=len(fitted)
        )
    own: list[Rendering] = []
    around: list[Tensor] = []
    kept: list[bytes] = []
    yaws = [math.radians(yaw) for yaw in (0.0, -side_deg, side_deg)]
    cameras = [look_at_camera(yaw, 0.0, orbit).to(codes.device) for yaw in yaws]
    for start, part in zip(range(0, len(codes), batch_size), codes.split(batch_size), strict=True):
        bound = style.bind(part, fitted=fitted and fitted[start : start + len(part)])
        own.append(bound.render(part.cameras))
        views = [bound.render(camera.expand(len(part), -1)).final_image for camera in cameras]
        around.append(torch.stack(views, 1))
        kept += bound.fitted or ()
    return PortraitViews(join_renderings(own), torch.cat(around), tuple(kept) or None)


@torch.no_grad()
def render_own(style: PreparedStyle, codes: Codes, *, batch_size: int = BATCH) -> Tensor:
    """Render portraits from their own cameras alone, `[N, 3, S, S]` in [-1, 1]."""
    return torch.cat([style.render(part).final_image for part in codes.split(batch_size)])
