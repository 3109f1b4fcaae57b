"""The three planes of a tri-plane: which world axes each of them spans."""

from typing import Literal

PlaneAxes = Literal["eg3d", "corrected"]

PLANE_AXES: dict[str, tuple[tuple[int, int], ...]] = {
    # The published checkpoints were trained with (z, x) as the third plane, which repeats the
    # second one transposed. "Fixing" it for them turns faces into noise along y.
    "eg3d": ((0, 1), (0, 2), (2, 0)),
    "corrected": ((0, 1), (0, 2), (1, 2)),
}
"""Axis of the columns and axis of the rows of each plane: x = 0, y = 1, z = 2."""
