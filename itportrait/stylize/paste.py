"""A stylized view back into the photo that it came from.

Convention: a crop is left, top, side in pixels of the photo, x right, y down, in edge coordinates:
pixel i lies between i and i + 1. Numeric example: of the crop (10, 20, 40) the view's middle lies
at the corner that the pixels (29, 39) and (30, 40) share.
"""

import io
import math

import numpy as np
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.io.colors import profile_of
from itportrait.io.formats import decoders
from itportrait.stylize.seam import head_mask, seam_correction

_ICC_SPACE = slice(16, 20)
_LEAST = 0.5
"""What the head's mask must reach somewhere; else there is no head to paste."""


def paste_back(
    photo: np.ndarray,
    view: np.ndarray,
    crop: np.ndarray,
    *,
    feather: float = 0.15,
    head: np.ndarray | None = None,
) -> np.ndarray:
    """Put the input's own view in the place of the crop, with a soft edge inside of the photo.

    Past the crop every pixel is the photo's. With the head's mask the photo stays around the head
    as well, and the head takes on the photo's colors along its seam, so that no box shows where the
    two backgrounds, or the hair and the neck, differ. Without it no color is changed: inside of the
    soft edge every pixel is the view's.

    Args:
        photo: `[H, W, 3]` uint8, upright.
        view: `[S, S, 3]` uint8, rendered from the camera of the aligned portrait; its values are
            in the photo's color space.
        crop: `[3]` left, top, side, from the aligned record; it may reach past the photo.
        feather: width of the soft edge, in (0, 0.5] of the crop's side; with a head also how far
            the photo's colors reach into it.
        head: `[h, w]` in [0, 1] of any size: where the view shows the head, such as the rendered
            alpha.

    Returns:
        `[H, W, 3]` uint8.

    Raises:
        InvalidArgumentError: another dtype or shape, a crop without size or outside of the photo, a
            feather outside its range, or a head that shows nowhere in the crop.
    """
    _check_rgb("photo", photo)
    _check_rgb("view", view)
    if view.shape[0] != view.shape[1]:
        raise InvalidArgumentError("view", expected="square", actual=list(view.shape))
    if not 0 < feather <= 0.5:
        raise InvalidArgumentError("feather", expected="in (0, 0.5]", actual=feather)
    values = np.asarray(crop, dtype=np.float64).reshape(-1)
    if values.shape != (3,) or not np.isfinite(values).all() or values[2] <= 0:
        raise InvalidArgumentError(
            "crop", expected="left, top and a positive side", actual=values.tolist()
        )
    left, top, side = values.tolist()
    x0, x1 = _whole_pixels(left, side, photo.shape[1])
    y0, y1 = _whole_pixels(top, side, photo.shape[0])
    if x1 <= x0 or y1 <= y0:
        raise InvalidArgumentError(
            "crop",
            expected=f"over the photo of {photo.shape[1]} x {photo.shape[0]} pixels",
            actual=values.tolist(),
            remedy="give the photo that the record was aligned from, upright and in its full size",
        )
    scale = view.shape[0] / side
    box = ((x0 - left) * scale, (y0 - top) * scale, (x1 - left) * scale, (y1 - top) * scale)
    box = tuple(min(max(edge, 0.0), float(view.shape[0])) for edge in box)
    picture = Image.fromarray(view).resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS, box=box)
    height, width = photo.shape[:2]
    mask = np.outer(
        _ramp(y0, y1, top, side, feather, height), _ramp(x0, x1, left, side, feather, width)
    )
    result = photo.copy()
    below = photo[y0:y1, x0:x1].astype(np.float32)
    above = np.asarray(picture, dtype=np.float32)
    if head is not None:
        mask = mask * _head(head, view.shape[0], box, picture.size)
        above = above + seam_correction(below - above, mask, feather / 2)
    blend = below + mask[..., None] * (above - below)
    result[y0:y1, x0:x1] = blend.clip(0, 255).round().astype(np.uint8)
    return result


def _head(head: np.ndarray, side: int, box: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    """Return the head's mask over the part of the view that is pasted, in the photo's pixels."""
    if head.ndim != 2 or not np.isfinite(head).all():
        raise InvalidArgumentError(
            "head", expected="[h, w] of finite values in [0, 1]", actual=list(head.shape)
        )
    whole = Image.fromarray(np.ascontiguousarray(head, dtype=np.float32))
    share = (head.shape[1] / side, head.shape[0] / side)
    part = tuple(edge * share[index % 2] for index, edge in enumerate(box))
    mask = head_mask(np.asarray(whole.resize(size, Image.Resampling.BICUBIC, box=part)))
    if mask.max() < _LEAST:
        raise InvalidArgumentError(
            "head",
            expected="seen somewhere in the part of the crop that lies in the photo",
            actual=f"at most {mask.max():.2g} of 1 there",
            remedy="look at the view: it has no head where the photo has one",
        )
    return mask


def _check_rgb(name: str, pixels: np.ndarray) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InvalidArgumentError(
            name,
            expected="uint8 of shape [H, W, 3]",
            actual=f"{pixels.dtype} {list(pixels.shape)}",
        )


def color_profile(data: bytes) -> bytes | None:
    """Return the ICC profile of an encoded photo that says what its RGB values mean.

    Args:
        data: the encoded file.

    Returns:
        None where there is none, where it is of another color space (the decoded values are then
        no longer in it), or where the bytes are no picture.
    """
    try:
        profile = profile_of(Image.open(io.BytesIO(data), formats=decoders()))
    except Exception:  # decoders raise nearly anything for damaged data
        return None
    return profile if profile[_ICC_SPACE] == b"RGB " else None


def _whole_pixels(first: float, side: float, size: int) -> tuple[int, int]:
    """Return the range of pixels of an axis that lie in the crop as a whole, and in the photo."""
    return max(math.ceil(first), 0), min(math.floor(first + side), size)


def _ramp(
    start: int, stop: int, first: float, side: float, feather: float, size: int
) -> np.ndarray:
    """Return the mask along an axis: 0 at the crop's ends, 1 further in than `feather`, smooth.

    An end past the photo's own edge has no seam to soften: there the mask stays 1.
    """
    share = (np.arange(start, stop) + 0.5 - first) / side
    near = share if first > 0 else np.ones_like(share)
    far = 1 - share if first + side < size else np.ones_like(share)
    rise = np.clip(np.minimum(near, far) / feather, 0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)
