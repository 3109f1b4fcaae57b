"""A Gaussian blur whose edges are repeated."""

import torch
from torch import Tensor
from torch.nn import functional as F


def blurred(image: Tensor, sigma: float, reach: int | None = None) -> Tensor:
    """Blur pictures. Differentiable.

    Args:
        image: `[N, C, H, W]`.
        sigma: standard deviation in pixels.
        reach: pixels on either side that count; None takes three standard deviations.

    Returns:
        The same shape; the same pictures where no other pixel counts.
    """
    reach = int(3 * sigma) if reach is None else reach
    if reach < 1:
        return image
    taps = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
    taps = torch.exp(-taps.square() / (2 * sigma**2))
    kernel = (taps / taps.sum()).expand(image.shape[1], 1, 1, -1)
    padded = F.pad(image, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel, groups=image.shape[1])
    return F.conv2d(across, kernel.transpose(2, 3), groups=image.shape[1])
