"""Finishes that work on the picture: pencil hatching, ink lines, watercolor washes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.portraits.colors import mottle
from itportrait.portraits.head_sdf.reference import smoothstep
from itportrait.portraits.materials import EYES
from itportrait.portraits.shading import Surface

PAPER = (0.97, 0.96, 0.93)


@dataclass
class Canvas:
    """A picture with the surface behind its samples.

    Attributes:
        image: `[H, W, 3]` sRGB in [0, 1].
        hit: `[H, W]` bool, whether a sample shows the head.
        depth: `[H, W]`, head units; the far distance where nothing was hit.
        surface: the head's surface at the hits, row by row.
    """

    image: Tensor
    hit: Tensor
    depth: Tensor
    surface: Surface

    def spread(self, values: Tensor, empty: float) -> Tensor:
        """Return values `[n]` or `[n, C]` of the surface as a map `[H, W, ...]`."""
        full = torch.full((*self.hit.shape, *values.shape[1:]), float(empty))
        full[self.hit] = values.float()
        return full


def apply_finish(canvas: Canvas, finish: str, scale: int) -> Tensor:
    """Return the finished picture `[H, W, 3]`; `scale` is the number of samples across a pixel."""
    draw = DRAWINGS.get(finish)
    return canvas.image if draw is None else draw(canvas, scale)


def _slope(values: Tensor) -> Tensor:
    """Return the length `[H, W]` of central differences."""
    across = F.pad(values[:, 2:] - values[:, :-2], (1, 1))
    down = F.pad((values[2:] - values[:-2]).T, (1, 1)).T
    return (across**2 + down**2).sqrt()


def _ink(canvas: Canvas) -> Tensor:
    """Return how much ink lies on each sample `[H, W]`: outlines, and edges between parts."""
    group = canvas.spread(canvas.surface.group, -1)
    steps = smoothstep(0.10, 0.22, _slope(canvas.depth))
    parts = (_slope(group) > 0.5).float()
    parts = parts * (1 - 0.6 * canvas.spread(canvas.surface.group == EYES, 0))
    grazing = smoothstep(0.30, 0.14, canvas.spread(canvas.surface.facing, 1.0))
    line = torch.maximum(torch.maximum(steps, parts), 0.8 * grazing)
    return F.max_pool2d(line[None, None], 3, 1, 1)[0, 0]


def _inked(canvas: Canvas, scale: int) -> Tensor:
    return canvas.image * (1 - 0.9 * _ink(canvas))[..., None]


def _pencil(canvas: Canvas, scale: int) -> Tensor:
    tone = 1 - canvas.image.mean(-1)
    contour = smoothstep(0.05, 0.26, _slope(canvas.image.mean(-1)))
    outline = smoothstep(0.38, 0.15, canvas.spread(canvas.surface.facing, 1.0))
    x, y, _ = canvas.spread(canvas.surface.points, 0.0).unbind(-1)
    first = 0.5 + 0.5 * torch.sin(55 * (x + y) + 1.5 * torch.sin(9 * y))
    second = 0.5 + 0.5 * torch.sin(60 * (x - y))
    hatch = smoothstep(0.0, 0.55, tone - 0.30) * (0.30 + 0.5 * first)
    hatch = hatch + smoothstep(0.0, 0.5, tone - 0.58) * 0.5 * second
    on = canvas.hit.float()
    lines = torch.maximum(0.9 * contour, outline * on)
    value = (0.95 - (0.62 * hatch).clamp(0, 0.75) * on - 0.75 * lines).clamp(0.06, 1)
    return value[..., None] * torch.tensor([1.0, 0.985, 0.95])


def _watercolor(canvas: Canvas, scale: int) -> Tensor:
    """Return pools of pale color with darker rims, on paper that shows through."""
    wash = canvas.image.permute(2, 0, 1)[None]
    width = 2 * scale + 1
    for _ in range(2):
        padded = F.pad(wash, (scale,) * 4, mode="reflect")
        wash = F.avg_pool2d(padded, width, 1)
    wash = wash[0].permute(1, 2, 0)
    detail = (canvas.image - wash).clamp(-0.15, 0.1)
    light = wash.mean(-1, keepdim=True)
    steps = light + 0.6 * (torch.floor(light * 6 + 0.5) / 6 - light)
    color = wash / (light + 1e-3) * steps
    gray = color.mean(-1, keepdim=True)
    color = 0.80 * (gray + 1.6 * (color - gray)) + 0.24
    color = color - 0.8 * _slope(light[..., 0]).clamp(0, 0.25)[..., None]
    grain = canvas.spread(mottle(0.6 * canvas.surface.points, 1.0), 0.0)
    color = color * (1 + 0.06 * grain[..., None]) + 0.5 * detail
    return torch.where(canvas.hit[..., None], color, torch.tensor(PAPER)).clamp(0, 1)


DRAWINGS: dict[str, Callable[[Canvas, int], Tensor]] = {
    "cartoon": _inked,
    "pencil": _pencil,
    "watercolor": _watercolor,
}
"""Finishes that work on the picture."""
