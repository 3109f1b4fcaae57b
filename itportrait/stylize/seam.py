"""How a pasted head takes on the photo's colors along its seam, in the gradient domain."""

from typing import Any

# scipy's sparse matrices have no complete types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportMissingTypeStubs=false
import numpy as np
from PIL import Image
from scipy import sparse
from scipy.sparse.linalg import spsolve

GRID = 96
"""Side of the grid on which the correction is solved; it is smooth, so that no more is needed."""
_CLEAR, _SOLID = 0.1, 0.6
"""Between these values of a rendered alpha the head's soft edge lies: below it, the generator's
background shines through."""


def head_mask(head: np.ndarray) -> np.ndarray:
    """Return what of a rendered alpha, in [0, 1], is surely head: 0 to 1, smooth."""
    rise = np.clip((head.astype(np.float32) - _CLEAR) / (_SOLID - _CLEAR), 0, 1)
    return rise * rise * (3 - 2 * rise)


def seam_correction(difference: np.ndarray, mask: np.ndarray, reach: float) -> np.ndarray:
    """Return what is to be added to a pasted picture so that no seam shows.

    It solves the screened Poisson equation `h - l^2 * laplace(h) = 0` inside of the mask, with the
    difference as the values of h all around: the pasted picture keeps its gradients, meets the
    photo's colors at the seam, and has its own colors again further in.

    Args:
        difference: `[H, W, 3]` float32, photo minus picture.
        mask: `[H, W]` in [0, 1]: where the picture is pasted.
        reach: length l over which the correction decays, as a share of the longer side.

    Returns:
        `[H, W, 3]` float32.

    Source: Pérez et al., Poisson Image Editing (2003), equation 3, with a screening term added.
    """
    height, width = mask.shape
    scale = min(1.0, GRID / max(height, width))
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    small = np.stack([_resized(difference[..., index], size) for index in range(3)], -1)
    inside = _resized(mask.astype(np.float32), size) > 0.5
    solved = _screened(small, inside, reach * max(size))
    return np.stack([_resized(solved[..., index], (width, height)) for index in range(3)], -1)


def _screened(known: np.ndarray, inside: np.ndarray, length: float) -> np.ndarray:
    """Solve for the pixels inside; those outside, next to them, are known."""
    height, width = inside.shape
    number = np.full((height, width), -1)
    rows, columns = np.nonzero(inside)
    count = len(rows)
    number[rows, columns] = np.arange(count)
    stiffness = float(length) ** 2
    diagonal = np.ones(count)
    right = np.zeros((count, 3))
    entries: list[tuple[np.ndarray, np.ndarray]] = []
    for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = rows + down, columns + across
        # Past the grid nothing is known: no neighbor, and so no gradient across the border.
        there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        diagonal += stiffness * there
        own, y, x = np.arange(count)[there], y[there], x[there]
        other = number[y, x]
        free = other >= 0
        entries.append((own[free], other[free]))
        right[own[~free]] += stiffness * known[y[~free], x[~free]]
    own = np.concatenate([first for first, _ in entries])
    other = np.concatenate([second for _, second in entries])
    matrix = sparse.coo_array((np.full(len(own), -stiffness), (own, other)), shape=(count, count))
    system: Any = (matrix + sparse.diags_array(diagonal)).tocsc()
    solved = known.astype(np.float64).copy()
    if count:
        columns_of = [np.asarray(spsolve(system, right[:, index])) for index in range(3)]
        solved[rows, columns] = np.stack(columns_of, -1)
    return solved.astype(np.float32)


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
