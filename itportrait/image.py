"""The one place where pictures change their form: floats in [-1, 1] inside, `uint8` on disk."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from itportrait.errors import DecodeError, InvalidArgumentError

if TYPE_CHECKING:
    from torch import Tensor

_WRITTEN = ("PNG", "JPEG", "WEBP")
# torch (500 MB, seconds) is imported where tensors are made, since readers of tables need none.


def to_tensor(pixels: np.ndarray) -> Tensor:
    """Turn one or several `uint8` pictures into floats.

    Args:
        pixels: `[H, W, 3]` or `[N, H, W, 3]`, uint8, RGB.

    Returns:
        `[3, H, W]` or `[N, 3, H, W]` float32 in [-1, 1].

    Raises:
        InvalidArgumentError: another dtype or shape.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or pixels.shape[-1] != 3:
        raise InvalidArgumentError(
            "pixels",
            expected="uint8 of shape [H, W, 3] or [N, H, W, 3]",
            actual=f"{pixels.dtype} {list(pixels.shape)}",
        )
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, -3)))
    return tensor.float().div_(127.5).sub_(1)


def to_uint8(image: Tensor) -> np.ndarray:
    """Turn `[3, H, W]` or `[N, 3, H, W]` floats in [-1, 1] into uint8 `[..., H, W, 3]`, clipped."""
    import torch

    pixels = image.detach().float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels.cpu().numpy(), -3, -1))


def resize(image: Tensor, size: int) -> Tensor:
    """Resize `[N, 3, H, W]` to `[N, 3, size, size]`: area when it shrinks by a whole factor, else
    anti-aliased bilinear. Differentiable."""
    from torch.nn import functional as F

    height, width = image.shape[-2:]
    if (height, width) == (size, size):
        return image
    if height % size == 0 and width % size == 0:
        return F.avg_pool2d(image, (height // size, width // size))
    return F.interpolate(image, (size, size), mode="bilinear", align_corners=False, antialias=True)


def encode(
    pixels: np.ndarray, kind: str = "png", quality: int = 92, *, profile: bytes | None = None
) -> bytes:
    """Encode uint8 `[H, W, 3]`, or gray `[H, W]`, as `png`, `jpeg` or `webp`.

    `quality` applies to the last two. `profile` is the ICC profile that says what the values mean;
    without one they are sRGB.
    """
    buffer = io.BytesIO()
    options: dict[str, Any] = {} if kind == "png" else {"quality": quality}
    if profile is not None:
        options["icc_profile"] = profile
    Image.fromarray(pixels).save(buffer, format=kind.upper(), **options)
    return buffer.getvalue()


def decode(data: bytes, mode: Literal["RGB", "L"] = "RGB") -> np.ndarray:
    """Decode bytes that `encode` wrote into uint8 `[H, W, 3]`, or with mode `L` into `[H, W]`.

    Foreign photos: `itportrait.ingest`.

    Raises:
        DecodeError: the bytes are not a picture.
    """
    try:
        return np.asarray(Image.open(io.BytesIO(data), formats=_WRITTEN).convert(mode))
    except (OSError, SyntaxError) as error:
        raise DecodeError(f"{len(data)} bytes are not a picture: {error}") from error
