"""Which part of a crop shows the portrait: nothing beyond the photo, nothing that a mask hides."""

import numpy as np

from itportrait.align.crop import CropPlan, cut
from itportrait.align.quality import hidden

SHOWN = 255
"""Value of a mask where the portrait is to be seen."""
CROP_POINTS = np.array([(0.36, 0.35), (0.64, 0.35), (0.5, 0.5), (0.39, 0.66), (0.61, 0.66)])
"""`[5, 2]` where the five points lie in EG3D's crop on average, as fractions of its sides."""


def cut_mask(mask: np.ndarray | None, plan: CropPlan, size: int) -> np.ndarray | None:
    """Make the mask of a crop, resampled as the crop's pixels are.

    Args:
        mask: `[H, W]` uint8 of the photo, in any size of the photo's aspect; None hides nothing.
        plan: where the crop lies.
        size: side of the result.

    Returns:
        `[size, size]` uint8, 0 beyond the photo; None where the whole crop is shown.
    """
    if mask is None:
        if plan.inside == (0, 0, plan.side, plan.side):
            return None
        mask = np.full((1, 1), SHOWN, np.uint8)
    height, width = mask.shape
    found = cut(mask, plan.of_size(width, height), size)
    return None if found.min() == SHOWN else found


def hidden_share(mask: np.ndarray | None, points: np.ndarray | None) -> float:
    """Return the share of the face that a crop's mask hides.

    Args:
        mask: of the crop, from `cut_mask`.
        points: `[5, 2]` fractions of the crop's sides; None: where they lie on average.
    """
    return 0.0 if mask is None else hidden(mask, CROP_POINTS if points is None else points)
