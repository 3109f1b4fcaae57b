"""What a crop's pixels say about its quality."""

import numpy as np

_HALO_PX = 4
"""How far the crop's resize carries the black outside into the photo."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def sharpness(
    pixels: np.ndarray, inside: tuple[float, float, float, float] = (0, 0, 1, 1)
) -> float:
    """Return the variance of the Laplacian of the luma, in 8-bit units squared.

    Args:
        pixels: `[H, W, 3]` uint8.
        inside: x0, y0, x1, y1 of the part that shows the photo, as fractions: the edge to the
            black outside is no detail.

    Returns:
        0 for a part of less than 3 x 3 pixels.
    """
    height, width = pixels.shape[:2]
    x0, x1 = _within(inside[0], inside[2], width)
    y0, y1 = _within(inside[1], inside[3], height)
    if min(x1 - x0, y1 - y0) < 3:
        return 0.0
    luma = pixels[y0:y1, x0:x1].astype(np.float32) @ _LUMA
    laplacian = (
        luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    )
    return float(laplacian.var())


def _within(low: float, high: float, size: int) -> tuple[int, int]:
    start = round(low * size) + (_HALO_PX if low > 0 else 0)
    return start, round(high * size) - (_HALO_PX if high < 1 else 0)
