"""From the bytes of a foreign picture to uint8 RGB, safely.

Convention: what comes out is upright (EXIF orientation applied), 8-bit, sRGB (`colors.py`). 16-bit
values are divided by 257, so that 65535 becomes 255; transparent pixels lie over white, as pages
show them; of an animation the first frame counts.
"""

import io
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from itportrait.errors import DecodeError
from itportrait.io.addresses import redact
from itportrait.photos.colors import Colors, gray_curve, profile_of, to_srgb, was_converted
from itportrait.photos.formats import (
    RAW,
    PictureFormat,
    decoders,
    format_of_content,
    format_of_name,
)
from itportrait.photos.headers import icon_sizes, without_notes

MAX_PIXELS = 80_000_000
"""Largest number of pixels that is decoded by default: 240 MB, enough for phones' 50-megapixel
photos."""
_LONGEST_NAME = 1024
_NEW_SUBFILE_TYPE, _DNG_VERSION = 254, 50706


@dataclass(frozen=True)
class Picture:
    """A decoded picture."""

    pixels: np.ndarray = field(repr=False)
    """`[H, W, 3]` uint8, upright, sRGB."""
    colors: Colors
    """How its colors were treated."""


def decode_photo(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a foreign picture into pixels `[H, W, 3]`, as `decode_picture` does."""
    return decode_picture(data, max_pixels).pixels


def decode_picture(
    data: bytes,
    max_pixels: int = MAX_PIXELS,
    *,
    convert_colors: bool = True,
    behind: str = "white",
) -> Picture:
    """Decode a foreign picture.

    Args:
        data: the encoded file; the format is told by content, never by name.
        max_pixels: larger pictures are refused from their header, before memory is taken.
        convert_colors: make sRGB of the values, by the color profile that the picture carries;
            else they stay what they are in the file.
        behind: name of the color that transparent pixels lie over.

    Returns:
        Pixels, and what became of their colors.

    Raises:
        DecodeError: empty, not a picture, truncated, corrupt, of a kind that has no agreed range
            of values, or over the limit.
    """
    if not data:
        raise DecodeError("empty: the file has no bytes")
    how = (max_pixels, convert_colors, behind)
    try:
        return _attempt(data, *how)
    except DecodeError as error:
        plain, had_profile = without_notes(data)
        if plain == data:
            raise
        reason = error
    try:
        picture = _attempt(plain, *how)
    except DecodeError:
        raise reason from None
    note = "profile ignored: the file's notes are damaged" if had_profile else None
    return replace(picture, colors=Colors(note))


def _attempt(data: bytes, max_pixels: int, convert_colors: bool, behind: str) -> Picture:
    try:
        with warnings.catch_warnings():
            # Of damaged tags and large sizes: what matters of them is an error below.
            warnings.simplefilter("ignore")
            return _decode(data, max_pixels, convert_colors, behind)
    except (DecodeError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise DecodeError(_describe(data)) from None
    except Image.DecompressionBombError as error:
        raise DecodeError(f"too large: {error}") from None
    # Decoders raise nearly anything for damaged data (ValueError, struct.error, IndexError, ...),
    # and at this edge each of them means the same.
    except Exception as error:
        kind = "truncated" if "truncated" in str(error) else "corrupt"
        raise DecodeError(f"{kind}: {type(error).__name__}: {error}") from error


def _decode(data: bytes, max_pixels: int, convert_colors: bool, behind: str) -> Picture:
    for size in icon_sizes(data):
        _check_size(size, max_pixels)
    image = Image.open(io.BytesIO(data), formats=decoders())
    _check_size(image.size, max_pixels)
    if _is_preview(image, data):
        raise DecodeError(f"not a picture: {_advice(RAW)}")
    image.load()
    return _to_rgb(upright(image), profile_of(image) if convert_colors else b"", behind)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise DecodeError(
            f"too large: {width} x {height} pixels, the limit is {max_pixels} (max_pixels)"
        )


def _describe(data: bytes) -> str:
    """Return why no decoder opened a file."""
    kind = format_of_content(data)
    if kind is not None and kind.decoder in decoders():
        return (
            f"corrupt: a damaged {kind.name} file of {len(data)} bytes, without a picture that can "
            "be read; copy it again from where it came"
        )
    if kind is not None:
        return f"not a picture: {_advice(kind)}"
    if name := _name_in(data):
        return (
            f"not a picture: the text {name!r}, which names a file; give what is in the file, "
            "not its name"
        )
    return (
        f"not a picture: {len(data)} bytes of no known picture format, beginning with {data[:8]!r}"
    )


def _name_in(data: bytes) -> str:
    """Return the path or URI of a picture that was given in place of the picture, or ""."""
    if len(data) > _LONGEST_NAME:
        return ""
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        return ""
    is_name = text.isprintable() and (format_of_name(text) is not None or "://" in text)
    return redact(text) if is_name else ""


def _advice(kind: PictureFormat) -> str:
    return f"{kind.name} files are not opened here; {kind.remedy}"


def _is_preview(image: Image.Image, data: bytes) -> bool:
    """Tell whether a TIFF is a camera's raw file, whose first picture is a thumbnail."""
    if not isinstance(image, TiffImageFile):
        return False
    kind = image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)
    reduced = isinstance(kind, int) and bool(kind & 1)
    return reduced or _DNG_VERSION in image.tag_v2 or RAW.matches(data)


def upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; damaged EXIF counts as none, since the pixels are whole."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _to_rgb(image: Image.Image, profile: bytes, behind: str) -> Picture:
    if image.mode == "F":
        raise DecodeError("floating-point pictures have no agreed range; convert it to 8 or 16 bit")
    if image.mode.startswith("I"):
        return _deep_gray(np.asarray(image), profile)
    rgb, colors = to_srgb(_without_alpha(image), profile)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        picture = image.convert("RGBA")
        if was_converted(colors.note):
            rgb.putalpha(picture.getchannel("A"))
            picture = rgb
        page = Image.new("RGBA", picture.size, behind)
        rgb = Image.alpha_composite(page, picture).convert("RGB")
    return Picture(np.array(rgb), colors)


def _without_alpha(image: Image.Image) -> Image.Image:
    """Return the picture in one of the modes that color profiles speak of."""
    if image.mode in ("1", "L"):
        return image.convert("L")
    if image.mode in ("LA", "La"):
        return image.convert("LA").getchannel("L")
    return image if image.mode in ("CMYK", "LAB") else image.convert("RGB")


def _deep_gray(values: np.ndarray, profile: bytes) -> Picture:
    if values.min() < 0 or values.max() > 65535:
        raise DecodeError("32-bit values have no agreed range; convert it to 8 or 16 bit")
    curve, colors = gray_curve(profile)
    deep = np.arange(65536)
    if curve is None:
        shown = np.repeat((deep[:, None] + 128) // 257, 3, axis=1)
    else:
        levels = np.arange(256)
        channels = [np.interp(deep / 257, levels, curve[:, index]) for index in range(3)]
        shown = np.stack(channels, axis=1).round()
    return Picture(shown.astype(np.uint8)[values.astype(np.uint16)], colors)
