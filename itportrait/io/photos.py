"""Foreign pictures: their bytes from wherever they are, and from bytes to uint8 RGB, safely.

Convention: what comes out is upright (EXIF orientation applied), 8-bit, RGB. 16-bit values are
divided by 257, so that 65535 becomes 255; transparent pixels lie over white, as pages show them;
of an animation the first frame counts.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageOps, UnidentifiedImageError

from itportrait.errors import DecodeError
from itportrait.io.formats import SUFFIXES, decoders, format_of_content
from itportrait.io.uris import open_fs, redact, suffix
from itportrait.records import Source

MAX_PIXELS = 80_000_000
"""240 MB decoded; phones' 50-megapixel photos pass."""
MAX_BYTES = 256 * 1024**2

_FIRST_COLUMNS = ("image", "bytes", "data", "jpg", "jpeg", "png", "webp", "content", "photo")
# In this order, since tables that have several of them must be read as ever.
_BYTES_COLUMNS = tuple(dict.fromkeys((*_FIRST_COLUMNS, *SUFFIXES)))


@dataclass(frozen=True)
class Photo:
    """A decoded photo and the digest of the bytes it came from."""

    pixels: np.ndarray = field(repr=False)
    """`[H, W, 3]` uint8, RGB, upright."""
    sha256: str
    width: int
    height: int


def read_photo(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> Photo:
    """Read and decode the photo of a source.

    Raises:
        DecodeError: it is not a picture, damaged, or over a limit; the message says which.
        OSError: the bytes cannot be read (FileNotFoundError: there is no such file).
    """
    data = read_source(source, max_bytes=max_bytes)
    pixels = decode_photo(data, max_pixels=max_pixels)
    digest = hashlib.sha256(data).hexdigest()
    return Photo(pixels, digest, pixels.shape[1], pixels.shape[0])


def read_source(source: Source, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the encoded bytes of a source: its own, a file's, or a part of a container.

    Raises:
        DecodeError: more than `max_bytes`.
        OSError: the bytes cannot be read.
    """
    if source.data is not None:
        data = source.data
    elif source.container is None or source.span is None:
        fs, path = open_fs(source.uri)
        file: Any = fs.open(path, "rb")
        with file:
            data = file.read(max_bytes + 1)
    elif suffix(source.container) in (".parquet", ".pq"):
        group, row = source.span
        table_version = source.version.rpartition(":")[0]  # without the row: one entry a table
        data = _row_group(source.container, table_version, group)[row]
    else:
        offset, size = source.span
        fs, path = open_fs(source.container)
        if size > max_bytes:
            raise DecodeError(f"too large: {size} bytes, the limit is {max_bytes}")
        data = fs.cat_file(path, start=offset, end=offset + size)
        if len(data) != size:
            raise OSError(f"{redact(source.uri)}: {len(data)} bytes of {size} could be read")
    if len(data) > max_bytes:
        raise DecodeError(f"too large: more than {max_bytes} bytes")
    return data  # type: ignore[return-value]


@lru_cache(maxsize=1)
def _row_group(container: str, version: str, group: int) -> list[bytes]:
    """Return the pictures of a row group; kept, because a shard's rows lie side by side.

    `version` is part of the key so that a rewritten table is read again.
    """
    fs, path = open_fs(container)
    with fs.open(path, "rb") as file:
        table = pq.ParquetFile(file)
        name = bytes_column(table.schema_arrow)
        values = table.read_row_group(group, columns=[name]).column(0).to_pylist()
    return [picture_bytes(value) for value in values]


def bytes_column(schema: Any) -> str:
    """Return the name of a table's column of encoded pictures, or "" if it has none."""
    for name in _BYTES_COLUMNS:
        index = schema.get_field_index(name)
        if index >= 0 and any(kind in str(schema.field(index).type) for kind in ("binary",)):
            return name
    return ""


def picture_bytes(value: Any) -> bytes:
    """Return the bytes of a table's cell: plain, or the `bytes` of a Hugging Face struct."""
    if isinstance(value, dict):
        value = value.get("bytes")
    return value or b""


def decode_photo(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a foreign picture.

    Args:
        data: the encoded file; the format is told by content, never by name.
        max_pixels: larger pictures are refused from their header, before memory is taken.

    Returns:
        `[H, W, 3]` uint8, RGB, upright.

    Raises:
        DecodeError: empty, not a picture, truncated, corrupt, of a kind that has no agreed range
            of values, or over the limit.
    """
    if not data:
        raise DecodeError("empty: the file has no bytes")
    try:
        with warnings.catch_warnings():
            # Of damaged tags and large sizes: what matters of them is an error below.
            warnings.simplefilter("ignore")
            return _decode(data, max_pixels)
    except DecodeError:
        raise
    except UnidentifiedImageError:
        raise DecodeError(f"not a picture: {_describe(data)}") from None
    except Image.DecompressionBombError as error:
        raise DecodeError(f"too large: {error}") from None
    # Decoders raise nearly anything for damaged data (ValueError, struct.error, IndexError, ...),
    # and at this edge each of them means the same.
    except Exception as error:
        kind = "truncated" if "truncated" in str(error) else "corrupt"
        raise DecodeError(f"{kind}: {type(error).__name__}: {error}") from error


def _decode(data: bytes, max_pixels: int) -> np.ndarray:
    image = Image.open(io.BytesIO(data), formats=decoders())
    width, height = image.size
    if width * height > max_pixels:
        raise DecodeError(
            f"too large: {width} x {height} pixels, the limit is {max_pixels} (max_pixels)"
        )
    image.load()
    return _to_rgb(_upright(image))


def _describe(data: bytes) -> str:
    kind = format_of_content(data)
    if kind is None:
        return f"{len(data)} bytes of no known picture format, beginning with {data[:8]!r}"
    if kind.decoder in decoders():
        return f"{len(data)} bytes that begin as {kind.name}, but no such picture is in them"
    return f"{kind.name} files are not opened here; {kind.remedy}"


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; damaged EXIF counts as none, since the pixels are whole."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "F":
        raise DecodeError("floating-point pictures have no agreed range; convert it to 8 or 16 bit")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise DecodeError("32-bit values have no agreed range; convert it to 8 or 16 bit")
        gray = ((values + 128) // 257).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(page, image)
    return np.array(image.convert("RGB"))
