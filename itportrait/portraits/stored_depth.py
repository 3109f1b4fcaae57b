"""Depth of drawn portraits as 16-bit numbers, in datasets and samples."""

import numpy as np

DEPTH_NEAR, DEPTH_FAR = 1.9, 3.6
"""World distances that the stored 0 and 65534 stand for."""
DEPTH_BACKGROUND = 65535


def encode_depth(depth: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Turn world distances into uint16, `DEPTH_BACKGROUND` where `alpha` is zero."""
    level = (depth - DEPTH_NEAR) / (DEPTH_FAR - DEPTH_NEAR) * (DEPTH_BACKGROUND - 1)
    level = np.clip(np.round(level), 0, DEPTH_BACKGROUND - 1)
    return np.where(alpha > 0, level, DEPTH_BACKGROUND).astype(np.uint16)


def decode_depth(stored: np.ndarray, background: float = 3.3) -> np.ndarray:
    """Turn stored uint16 into float32 distances along the ray, in world units.

    Args:
        stored: levels of `encode_depth`, of any shape.
        background: distance of pixels that show no head, in world units.
    """
    depth = DEPTH_NEAR + stored.astype(np.float32) / (DEPTH_BACKGROUND - 1) * (
        DEPTH_FAR - DEPTH_NEAR
    )
    return np.where(stored == DEPTH_BACKGROUND, np.float32(background), depth)
