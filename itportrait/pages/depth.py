"""A depth map as a picture of 16 bits that keeps its unit."""

import io

import numpy as np
from PIL import Image

from itportrait.errors import InvalidArgumentError

DEPTH_SCALE = 10_000
"""Steps of the file per world unit: the face before a camera at 2.7 units has about 24,000."""
_LARGEST = 65_535


def encode_depth(depth: np.ndarray) -> bytes:
    """Encode a depth map as PNG, gray, 16 bits: world units times `DEPTH_SCALE`.

    Args:
        depth: `[H, W]` in world units, 0 where there is nothing; beyond 6.5535 it is cut off.

    Raises:
        InvalidArgumentError: another shape, negative or not finite.
    """
    values = np.asarray(depth, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all() or (values < 0).any():
        raise InvalidArgumentError(
            "depth",
            expected="[H, W] of finite distances, 0 or more",
            actual=f"shape {list(values.shape)}",
        )
    steps = np.minimum(np.round(values * DEPTH_SCALE), _LARGEST).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(steps).save(buffer, format="PNG")
    return buffer.getvalue()


def decode_depth(data: bytes) -> np.ndarray:
    """Return `[H, W]` float32 in world units of what `encode_depth` wrote."""
    steps = np.asarray(Image.open(io.BytesIO(data)))
    return (steps / DEPTH_SCALE).astype(np.float32)
