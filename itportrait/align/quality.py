"""Measures of a crop's quality, from its pixels."""

import numpy as np

_HALO_PX = 4
"""Distance in pixels over which the crop's resize carries the black outside into the photo."""
_STEP = 4
"""Distance in pixels between those whose color is looked at: a face of 300 pixels has 5,000 of
them."""
_FLOOR = 8.0
"""Value added to each channel, so that black is colorless and not of a random hue."""
_OTHER_COLOR = 0.05
"""Distance in (r, g) chromaticity from which on a color is not the skin's; gray is at about 0.1."""
_FACE_LENGTH, _FACE_WIDTH = 0.95, 0.75
"""Half the face's length over the distance from eyes to mouth, and its width over its length."""
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


def covered(pixels: np.ndarray, points: np.ndarray) -> float:
    """Return the share of the face whose color is not the one that prevails in it.

    Eyes, brows and lips make about a tenth (0.04 to 0.24 in the demo's nine portraits); with a mask
    over mouth and nose it is 0.24 to 0.46, with thick glasses about 0.3. A hand has the skin's
    color and is not seen, nor is anything in a gray photo, which gives 0; a beard counts. Made for
    faces seen from the front: of others the background is a part.

    Args:
        pixels: `[H, W, 3]` uint8.
        points: `[5, 2]` of the face as fractions of the picture's sides: eyes, nose, mouth corners.

    Returns:
        In [0, 1]; 0 where the face lies outside the picture.
    """
    colors = pixels[::_STEP, ::_STEP][_face(pixels.shape[:2], points)].astype(np.float32) + _FLOOR
    if len(colors) == 0:
        return 0.0
    hue = colors[:, :2] / colors.sum(1, keepdims=True)
    distance = np.linalg.norm(hue - np.median(hue, axis=0), axis=1)
    return float((distance > _OTHER_COLOR).mean())


def hidden(mask: np.ndarray, points: np.ndarray) -> float:
    """Return the share of the face that a mask hides.

    Args:
        mask: `[H, W]` uint8, 0 where it hides.
        points: `[5, 2]` of the face as fractions of the picture's sides; see `covered`.

    Returns:
        In [0, 1]; 1 where the face lies outside the picture.
    """
    shown = mask[::_STEP, ::_STEP][_face(mask.shape[:2], points)]
    return float(1 - shown.mean() / 255) if len(shown) else 1.0


def _face(size: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Return where the face is, as a boolean mask of every `_STEP`th pixel of a picture."""
    height, width = size
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    down = (mouth - eyes) * (width, height)
    # Seen from the side the eyes come together, but the face does not become narrower than this.
    reach = max(np.linalg.norm(down), np.linalg.norm((points[1] - points[0]) * (width, height)))
    middle = (eyes + mouth) / 2 * (width, height)
    y, x = np.mgrid[0:height:_STEP, 0:width:_STEP] + 0.5
    along = ((x - middle[0]) * down[0] + (y - middle[1]) * down[1]) / max(np.hypot(*down), 1e-6)
    across = np.hypot(x - middle[0], y - middle[1]) ** 2 - along**2
    return along**2 + across / _FACE_WIDTH**2 < (_FACE_LENGTH * reach) ** 2


def _within(low: float, high: float, size: int) -> tuple[int, int]:
    start = round(low * size) + (_HALO_PX if low > 0 else 0)
    return start, round(high * size) - (_HALO_PX if high < 1 else 0)
