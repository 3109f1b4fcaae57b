"""A stylized view back into the photo that it came from.

Convention: a crop is left, top, side in pixels of the photo, x right, y down, in edge coordinates:
pixel i lies between i and i + 1. Numeric example: of the crop (10, 20, 40) the view's middle lies
at the corner that the pixels (29, 39) and (30, 40) share.
"""

import io
import math
from dataclasses import dataclass

# scipy has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import numpy as np
from PIL import Image
from scipy import ndimage

from itportrait.errors import InvalidArgumentError
from itportrait.photos.colors import profile_of
from itportrait.photos.formats import decoders
from itportrait.stylize.matte import ColorGraph, along_edges, head_matte, spread_colors

_ICC_SPACE = slice(16, 20)
_LEAST = 0.5
"""What the head's mask must reach somewhere; else there is no head to paste."""
_ROUNDED = 1e-3
"""How far past 0 and 1 the head's mask may go, since it is a sum of rendered weights."""
_MARGIN, _RIM = 0.6, 0.04
"""How far past the crop the head may reach, and width of the crop's rim in which a render says
little of it, in shares of the crop's side."""
_SURE = 5.0
"""Slope with which the trust in the view's colors falls where the matte is below 1."""
_GRID, _WINDOW, _BAND = 176, 2, 256
"""Longest side of the small copy on which head and colors are sought, radius in its pixels of the
windows that find the edges in the photo, and rows of the photo that are pasted at once."""


def paste_back(
    photo: np.ndarray,
    view: np.ndarray,
    crop: np.ndarray,
    *,
    feather: float = 0.15,
    head: np.ndarray | None = None,
) -> np.ndarray:
    """Put the input's own view in the place of the crop, with a soft edge inside of the photo.

    With the head's mask only the head is pasted. Its outline is sought in the photo, and towards
    the crop's ends the view gives way to the photo in the style's colors, past them too: so hair
    above the crop has the colors of the hair in it, and no box shows. The background stays. Without
    the mask no color is changed: inside of the soft edge every pixel is the view's, and past the
    crop the photo's.

    Args:
        photo: `[H, W, 3]` uint8, upright.
        view: `[S, S, 3]` uint8, rendered from the camera of the aligned portrait; its values are
            in the photo's color space.
        crop: `[3]` left, top, side, from the aligned record; it may reach past the photo.
        feather: width of the soft edge, in (0, 0.5] of the crop's side; with a head the view is the
            photo's own in new colors at the crop's end, and itself from twice the width on.
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
    size = (x1 - x0, y1 - y0)
    picture = np.asarray(Image.fromarray(view).resize(size, Image.Resampling.LANCZOS, box=box))
    crop_box = _CropBox(left, top, side, photo.shape[1], photo.shape[0])
    if head is None:
        xs, ys = (np.arange(x0, x1) + 0.5 - left) / side, (np.arange(y0, y1) + 0.5 - top) / side
        mask = crop_box.window(xs, ys, feather)[..., None]
        below = photo[y0:y1, x0:x1].astype(np.float32)
        result = photo.copy()
        result[y0:y1, x0:x1] = _pixels(below + mask * (picture.astype(np.float32) - below))
        return result
    shown = _checked_head(head, view, box)
    return _paste_head(photo, _PlacedView(picture, (x0, y0), crop_box, shown, feather))


@dataclass(frozen=True)
class _CropBox:
    """A crop in a photo.

    Args:
        left, top, side: of the crop, in pixels of the photo.
        width, height: of the photo.
    """

    left: float
    top: float
    side: float
    width: int
    height: int

    def window(self, xs: np.ndarray, ys: np.ndarray, feather: float) -> np.ndarray:
        """Return 0 at the crop's ends, 1 further in than `feather`; places in shares of its side.

        An end past the photo's own edge has no seam to soften: there it stays 1.
        """
        across = _ramp(xs, self.left > 0, self.left + self.side < self.width, feather)
        return np.outer(
            _ramp(ys, self.top > 0, self.top + self.side < self.height, feather), across
        )

    def around(self) -> tuple[int, int, int, int]:
        """Return the part of the photo in which the head may lie: x0, y0, x1, y1."""
        reach = _MARGIN * self.side
        x1, y1 = self.left + self.side + reach, self.top + self.side + reach
        return (
            max(math.floor(self.left - reach), 0),
            max(math.floor(self.top - reach), 0),
            min(math.ceil(x1), self.width),
            min(math.ceil(y1), self.height),
        )


@dataclass(frozen=True)
class _PlacedView:
    """A view in its place in the photo, with the head that it shows.

    Args:
        picture: `[h, w, 3]` uint8: the view, in the photo's pixels.
        corner: x and y of the picture's upper left pixel in the photo.
        crop: its place.
        head: `[n, n]` float32 in [0, 1]: where the view shows the head.
        feather: see `paste_back`.
    """

    picture: np.ndarray
    corner: tuple[int, int]
    crop: _CropBox
    head: np.ndarray
    feather: float


def _paste_head(photo: np.ndarray, view: _PlacedView) -> np.ndarray:
    """Paste the head alone: the view in the crop's middle, and its colors on the photo around it.

    At each pixel of the head the view's share falls from 1 in the middle to 0 at the crop's end.
    The rest is the photo with the change of colors that the view makes on hair and skin like it.
    So nothing breaks off at the crop's end, and past it hair and neck have the style's colors.

    Args:
        photo: `[H, W, 3]` uint8.
        view: in its place.
    """
    picture, corner, crop = view.picture, view.corner, view.crop
    x0, y0, x1, y1 = crop.around()
    maps = _solved(photo[y0:y1, x0:x1], (x0, y0), view)
    us = (np.arange(corner[0], corner[0] + picture.shape[1]) + 0.5 - crop.left) / crop.side
    across = slice(corner[0] - x0, corner[0] - x0 + picture.shape[1])
    scale = maps.shape[0] / (y1 - y0)
    result = photo.copy()
    # Band by band: photos may have many more pixels than fit into memory as numbers.
    for start in range(y0, y1, _BAND):
        rows = range(start, min(start + _BAND, y1))
        below = photo[rows.start : rows.stop, x0:x1].astype(np.float32)
        part = (0.0, (rows.start - y0) * scale, float(maps.shape[1]), (rows.stop - y0) * scale)
        large = _enlarged(maps, (x1 - x0, len(rows)), part)
        added, (slope, offset) = large[..., :3], np.moveaxis(large[..., 3:], -1, 0)
        cover = np.clip(slope * below.mean(-1) + offset, 0, 1)
        top, stop = max(rows.start, corner[1]), min(rows.stop, corner[1] + len(picture))
        if top < stop:
            down = slice(top - rows.start, stop - rows.start)
            vs = (np.arange(top, stop) + 0.5 - crop.top) / crop.side
            share = crop.window(us, vs, min(2 * view.feather, 0.5)) * _sampled(view.head, us, vs)
            share = (share * cover[down, across])[..., None]
            shown = picture[top - corner[1] : stop - corner[1]].astype(np.float32)
            added[down, across] += share * (shown - below[down, across] - added[down, across])
        result[rows.start : rows.stop, x0:x1] = _pixels(below + cover[..., None] * added)
    return result


def _solved(part: np.ndarray, origin: tuple[int, int], view: _PlacedView) -> np.ndarray:
    """Return small maps of a part of the photo, `[h, w, 5]` float32: the change of colors, and
    slope and offset that give the matte from the photo's gray.

    Args:
        part: `[H, W, 3]` uint8: what of the photo may show the head.
        origin: x and y of its upper left pixel in the photo.
        view: in its place in the photo.
    """
    picture, corner, crop = view.picture, view.corner, view.crop
    height, width = part.shape[:2]
    shrink = min(1.0, _GRID / max(height, width))
    size = (max(3, round(shrink * width)), max(3, round(shrink * height)))
    small = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BOX), dtype=np.float32)
    x = origin[0] + (np.arange(size[0]) + 0.5) * (width / size[0])
    y = origin[1] + (np.arange(size[1]) + 0.5) * (height / size[1])
    us, vs = (x - crop.left) / crop.side, (y - crop.top) / crop.side
    graph, shown = ColorGraph(small), _sampled(view.head, us, vs)
    places = np.stack(np.meshgrid(us, vs), -1)
    matte = head_matte(graph, shown, crop.window(us, vs, _RIM), places)
    shape = (max(1, round(shrink * picture.shape[1])), max(1, round(shrink * picture.shape[0])))
    reduced = np.asarray(Image.fromarray(picture).resize(shape, Image.Resampling.BOX), np.float32)
    seen = _sampled(reduced, (x - corner[0]) / picture.shape[1], (y - corner[1]) / picture.shape[0])
    # At the outline the view may show its own background: colors come from further in.
    known = crop.window(us, vs, view.feather) * shown * np.clip(_SURE * (matte - 1) + 1, 0, 1)
    change = spread_colors(graph, seen - small, known)
    return np.dstack([change, *along_edges(matte, small.mean(-1), _WINDOW)])


def _sampled(picture: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Return a picture `[h, w]` or `[h, w, C]` at places in shares of its sides, past it as at its
    edge."""
    rows = np.clip(ys * picture.shape[0] - 0.5, 0, picture.shape[0] - 1)
    columns = np.clip(xs * picture.shape[1] - 0.5, 0, picture.shape[1] - 1)
    grid = np.meshgrid(rows, columns, indexing="ij")
    parts = picture.reshape(*picture.shape[:2], -1).astype(np.float32)
    taken = [
        ndimage.map_coordinates(parts[..., index], grid, order=1) for index in range(parts.shape[2])
    ]
    return np.stack(taken, -1).reshape(len(ys), len(xs), *picture.shape[2:])


def _enlarged(
    maps: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]
) -> np.ndarray:
    """Return a part of maps `[h, w, C]` at another size."""
    return np.dstack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(maps[..., index], dtype=np.float32)).resize(
                    size, Image.Resampling.BILINEAR, box=box
                )
            )
            for index in range(maps.shape[2])
        ]
    )


def _pixels(values: np.ndarray) -> np.ndarray:
    return values.clip(0, 255).round().astype(np.uint8)


def _checked_head(head: np.ndarray, view: np.ndarray, box: tuple[float, ...]) -> np.ndarray:
    """Return the head's mask, once it shows a head in the part of the view that counts."""
    if head.ndim != 2 or not np.isfinite(head).all():
        raise InvalidArgumentError(
            "head", expected="[h, w] of finite values in [0, 1]", actual=list(head.shape)
        )
    if head.size and not (head.min() >= -_ROUNDED and head.max() <= 1 + _ROUNDED):
        raise InvalidArgumentError(
            "head",
            expected="[h, w] of finite values in [0, 1]",
            actual=f"values from {head.min():.3g} to {head.max():.3g}",
            remedy="divide a mask of 8 bits by 255",
        )
    share = (head.shape[1] / view.shape[1], head.shape[0] / view.shape[0])
    x0, y0, x1, y1 = (edge * share[index % 2] for index, edge in enumerate(box))
    part = head[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)]
    if part.max() < _LEAST:
        raise InvalidArgumentError(
            "head",
            expected="seen somewhere in the part of the crop that lies in the photo",
            actual=f"at most {part.max():.2g} of 1 there",
            remedy="look at the view: it has no head where the photo has one",
        )
    return head.clip(0, 1).astype(np.float32)


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


def _ramp(share: np.ndarray, near_ends: bool, far_ends: bool, feather: float) -> np.ndarray:
    """Return the window along an axis: 0 at those ends of the crop that end it, 1 further in."""
    near = share if near_ends else np.ones_like(share)
    far = 1 - share if far_ends else np.ones_like(share)
    rise = np.clip(np.minimum(near, far) / feather, 0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)
