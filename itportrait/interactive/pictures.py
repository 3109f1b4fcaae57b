"""Pictures as people have them in Python, as inputs of a job: paths, URIs, bytes, PIL, arrays."""

import io
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.image import encode
from itportrait.ingest import in_eg3d_convention, list_sources
from itportrait.ingest.config import IngestConfig
from itportrait.ingest.faults import DECODE, faulty, reason_of, unlisted
from itportrait.photos.decoding import upright
from itportrait.records import Source

Picture: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A picture: a path or URI, an encoded file, an image of PIL, or uint8 pixels `[H, W, 3]` (RGB),
`[H, W, 4]` (with alpha) or `[H, W]` (gray)."""

_EXPECTED = "a path, a URI, bytes, an image of PIL, or a uint8 array [H, W, 3]"
_AS_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Modes of PIL that a PNG holds as they are."""
_AS_TIFF = ("CMYK", "LAB", "I", "F", "I;16L", "I;16B")
"""Modes that a TIFF alone holds as they are: what reads the file then applies its own rules."""
_NEAREST = {"RGBa": "RGBA", "La": "LA", "PA": "RGBA"}
"""Modes that become others before they are written; the rest becomes RGB."""


def as_list(pictures: Picture | Sequence[Picture], argument: str = "pictures") -> list[Picture]:
    """Return one picture or several as a list.

    Args:
        pictures: in any of the forms of `Picture`; an array `[N, H, W, 3]` holds several.
        argument: what errors call them.

    Raises:
        InvalidArgumentError: there is none, or one of them is no picture; names it.
    """
    single = isinstance(pictures, str | os.PathLike | bytes | bytearray | Image.Image)
    if isinstance(pictures, np.ndarray):
        single = pictures.ndim < 4
    elif not single and not hasattr(pictures, "__iter__"):
        raise InvalidArgumentError(argument, expected=_EXPECTED, actual=_told(pictures))
    items: list[Picture] = [pictures] if single else list(pictures)  # type: ignore[list-item]
    if not items:
        raise InvalidArgumentError(argument, expected="one picture or more", actual="none")
    for index, item in enumerate(items):
        _check(item, argument if single else f"{argument}[{index}]")
    return items


def list_pictures(pictures: Sequence[Picture], ingest: IngestConfig) -> Iterator[Source]:
    """Stream pictures as the inputs of a job, in order.

    Paths and URIs are listed as `--input` of a job is: a folder, glob, list, table or archive gives
    all that it holds. Where nothing of some of them can be listed, and there are other pictures,
    each is an input with a fault, which becomes a failed row; so is an image of PIL that is closed
    or whose file is damaged.

    Raises:
        NoInputError: there are paths and URIs alone, and none of them can be listed.
    """
    named = [isinstance(item, str | os.PathLike) for item in pictures]
    index = 0
    for is_named, group in groupby(zip(named, pictures), key=lambda pair: pair[0]):
        items = [item for _, item in group]
        if is_named:
            uris = [os.fspath(item) for item in items]  # type: ignore[arg-type]
            yield from _listed(uris, ingest, alone=all(named))
        else:
            for offset, item in enumerate(items):
                yield _held(item, name_of(item, index + offset))
        index += len(items)


def _held(picture: Picture, name: str) -> Source:
    try:
        return Source(uri=name, data=content_of(picture))
    except DecodeError as error:
        return faulty(name, DECODE, str(error))


def _listed(uris: list[str], ingest: IngestConfig, *, alone: bool) -> Iterator[Source]:
    try:
        listing = list_sources(uris, patterns=ingest.patterns, mask_suffix=ingest.mask_suffix)
    except NoInputError:
        if alone:
            raise
        yield from (unlisted(uri, FileNotFoundError(2, "no such file or folder")) for uri in uris)
        return
    yield from in_eg3d_convention(listing, ingest.camera_convention)


def name_of(picture: Picture, index: int, argument: str = "pictures") -> str:
    """Return what a picture is called: its path or URI, else its place in the list."""
    if isinstance(picture, str | os.PathLike):
        return os.fspath(picture)
    return str(getattr(picture, "filename", "") or f"{argument}[{index}]")


def content_of(picture: Picture) -> bytes:
    """Return a picture that is in memory as an encoded file, without loss.

    An image of PIL keeps its color profile, and is turned upright as its Exif orientation says.

    Raises:
        DecodeError: an image of PIL is closed, or the rest of its file cannot be read.
    """
    if isinstance(picture, bytes | bytearray):
        return bytes(picture)
    if isinstance(picture, np.ndarray):
        return encode(picture)
    assert isinstance(picture, Image.Image)  # names are read elsewhere
    try:
        return _encoded(picture)
    except MemoryError:
        raise
    # PIL reads a file when its pixels are wanted, and raises nearly anything for damaged or closed
    # ones (OSError, ValueError, AttributeError, ...): each of them means the same here.
    except Exception as error:
        said = f"{type(error).__name__}: {reason_of(error)}"
        raise DecodeError(f"an image of PIL that cannot be read: {said}") from error


def _encoded(picture: Image.Image) -> bytes:
    picture.load()
    turned = upright(picture)
    kind = "TIFF" if turned.mode in _AS_TIFF else "PNG"
    if kind == "PNG" and turned.mode not in _AS_PNG:
        turned = turned.convert(_NEAREST.get(turned.mode, "RGB"))
    buffer = io.BytesIO()
    profile = picture.info.get("icc_profile")
    turned.save(buffer, format=kind, **({"icc_profile": profile} if profile else {}))
    return buffer.getvalue()


def read_picture(picture: Picture) -> bytes:
    """Return a picture's encoded content, wherever it is.

    Raises:
        OSError: a file cannot be read.
        DecodeError: an image of PIL cannot be read.
    """
    from itportrait.io import uris

    if isinstance(picture, str | os.PathLike):
        return uris.read_bytes(os.fspath(picture))
    return content_of(picture)


def _check(item: object, argument: str) -> None:
    """Refuse what is no picture in any form.

    Raises:
        InvalidArgumentError: it is none.
    """
    if isinstance(item, str | Path) and not str(item):
        raise InvalidArgumentError(argument, expected=_EXPECTED, actual="an empty text")
    if isinstance(item, np.ndarray):
        shaped = item.ndim == 2 or (item.ndim == 3 and item.shape[2] in (3, 4))
        if item.dtype != np.uint8 or not shaped or not item.size:
            raise InvalidArgumentError(
                argument,
                expected="a uint8 array [H, W, 3], [H, W, 4] or [H, W]",
                actual=f"{item.dtype} {list(item.shape)}",
                remedy="itportrait.image.to_uint8 makes it of a tensor in [-1, 1]",
            )
    elif not isinstance(item, str | os.PathLike | bytes | bytearray | Image.Image):
        raise InvalidArgumentError(argument, expected=_EXPECTED, actual=_told(item))


def _told(item: object) -> str:
    shape = getattr(item, "shape", None)
    return type(item).__name__ + (f" {list(shape)}" if shape is not None else "")
