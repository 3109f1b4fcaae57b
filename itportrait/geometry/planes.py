"""The three planes of a tri-plane: which world axes each of them spans."""

from typing import Literal

import torch
from torch import Tensor

PlaneAxes = Literal["eg3d", "corrected"]

PLANE_AXES: dict[str, tuple[tuple[int, int], ...]] = {
    # The published checkpoints were trained with (z, x) as the third plane, which repeats the
    # second one transposed. "Fixing" it for them turns faces into noise along y.
    "eg3d": ((0, 1), (0, 2), (2, 0)),
    "corrected": ((0, 1), (0, 2), (1, 2)),
}
"""Column axis, then row axis, of each plane: x = 0, y = 1, z = 2."""


def project_on_planes(points: Tensor, plane_axes: PlaneAxes) -> Tensor:
    """Project points on the three planes.

    Args:
        points: `[N, M, 3]`.
        plane_axes: a key of `PLANE_AXES`.

    Returns:
        `[N, 3, M, 2]`: (column, row) coordinates on each plane, unscaled.
    """
    order = [axis for plane in PLANE_AXES[plane_axes] for axis in plane]
    index = torch.tensor(order, device=points.device)
    flat = points.index_select(2, index)
    return flat.unflatten(2, (3, 2)).transpose(1, 2)
