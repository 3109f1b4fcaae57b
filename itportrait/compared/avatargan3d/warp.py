"""A thin-plate spline that bends the front plane of a portrait's scene, computed from its code."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.generator.deformation import Deformation
from itportrait.generator.layers import FullyConnected

_LAYERS = 2
_FIRST_SIZE = 0.01
"""Factor on the weights of the last layer at the start, so that the plane begins almost unbent."""
_FRONT = 0
"""Number of the plane that spans x (columns) and y (rows), in all conventions."""


class FrontWarp(Deformation):
    """Moves a grid of control points over the front plane; what lies between follows smoothly.

    Args:
        rows: number of first rows of a code whose mean is read: those that carry shape.
        w_dim: length of a row.
        width: width of the hidden layers.
        points: control points along each side of the plane.
        limit: largest shift of a control point along an axis, in halves of the plane's side.
    """

    name = "front_warp"
    grid: Tensor
    spline: Tensor

    def __init__(self, rows: int, w_dim: int, width: int, points: int, limit: float) -> None:
        super().__init__()
        self.rows, self.w_dim, self.width = rows, w_dim, width
        self.points, self.limit = points, limit
        widths = [w_dim] + [width] * _LAYERS
        self.hidden = nn.Sequential(
            *(FullyConnected(a, b, activate=True) for a, b in pairwise(widths))
        )
        self.head = FullyConnected(width, points**2 * 2)
        axis = torch.linspace(-1, 1, points)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 2)
        self.register_buffer("grid", grid, persistent=False)
        self.register_buffer("spline", spline_of(grid), persistent=False)

    def settings(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "w_dim": self.w_dim,
            "width": self.width,
            "points": self.points,
            "limit": self.limit,
        }

    @torch.no_grad()
    def draw_weights(self, rng: torch.Generator) -> None:
        """Draw all weights anew; those of the last layer are small."""
        for part in self.modules():
            if isinstance(part, FullyConnected):
                part.weight.copy_(torch.randn(part.weight.shape, generator=rng))
        self.head.weight.mul_(_FIRST_SIZE)

    def shifts(self, ws: Tensor) -> Tensor:
        """Return where control points look for their features, relative to their own place.

        Args:
            ws: `[N, num_ws, w_dim]`.

        Returns:
            `[N, points, points, 2]`, rows from the plane's first on; x, y in halves of its side.
        """
        code = ws[:, : self.rows].mean(1)
        code = code * (code.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        shifts = torch.tanh(self.head(self.hidden(code))) * self.limit
        return shifts.view(-1, self.points, self.points, 2)

    def planes(self, planes: Tensor, ws: Tensor) -> Tensor:
        if not self.strength:
            return planes
        side = planes.shape[-1]
        places = pixel_places(side, planes.device)
        weights = spline_values(places, self.grid) @ self.spline
        moved = weights @ (self.strength * self.shifts(ws).flatten(1, 2))
        where = (places + moved).view(-1, side, side, 2)
        bent = F.grid_sample(planes[:, _FRONT], where, padding_mode="border", align_corners=False)
        return torch.cat([bent[:, None], planes[:, _FRONT + 1 :]], 1)


def size_penalty(shifts: Tensor) -> Tensor:
    """Return the mean squared length of shifts `[N, K, K, 2]`, in squared halves of the side."""
    return shifts.square().sum(-1).mean()


def asymmetry_penalty(shifts: Tensor) -> Tensor:
    """Return the mean squared difference of shifts `[N, K, K, 2]` to the mirrored ones."""
    mirrored = shifts.flip(2) * shifts.new_tensor([-1.0, 1.0])
    return (shifts - mirrored).square().sum(-1).mean()


def pixel_places(side: int, device: torch.device) -> Tensor:
    """Return the middles of pixels `[side^2, 2]`: x, y in [-1, 1], row by row."""
    axis = (torch.arange(side, device=device) * 2 + 1) / side - 1
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 2)


def spline_values(places: Tensor, grid: Tensor) -> Tensor:
    """Return the terms of a thin-plate spline at places `[M, 2]`, `[M, K + 3]`.

    K terms belong to the control points `[K, 2]`; the last three are 1, x and y.
    """
    squared = (places[:, None] - grid).square().sum(-1)
    bends = squared * (squared + 1e-12).log()
    return torch.cat([bends, torch.ones_like(places[:, :1]), places], 1)


def spline_of(grid: Tensor) -> Tensor:
    """Return the matrix `[K + 3, K]` from values at control points to a spline's coefficients."""
    precise = grid.double()
    known = spline_values(precise, precise)
    count = len(grid)
    system = known.new_zeros(count + 3, count + 3)
    system[:count] = known
    system[count:, :count] = known[:, count:].T
    wanted = torch.eye(count + 3, count, dtype=system.dtype)
    return (system.inverse() @ wanted).float()
