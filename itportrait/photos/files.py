"""Photos from files and from parts of containers: their bytes and their pixels."""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fsspec.implementations.local import LocalFileSystem

from itportrait.errors import DecodeError, InputFaultError
from itportrait.io.uris import open_fs, redact, store_errors, suffix
from itportrait.photos.colors import Colors
from itportrait.photos.decoding import MAX_PIXELS, decode_picture
from itportrait.photos.tables import read_cell
from itportrait.records import Source

MAX_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Mask:
    """A decoded mask of a photo and the digest of the bytes it came from."""

    values: np.ndarray = field(repr=False)
    """`[H, W]` uint8, upright: 255 where the portrait is to be seen, 0 where it is hidden."""
    sha256: str


@dataclass(frozen=True)
class Photo:
    """A decoded photo and the digest of the bytes it came from."""

    pixels: np.ndarray = field(repr=False)
    """`[H, W, 3]` uint8, RGB, upright."""
    sha256: str
    width: int
    height: int
    colors: Colors
    """How its colors were treated."""
    mask: Mask | None = None
    """The mask that came with it, in any size of the photo's aspect."""


def read_photo(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> Photo:
    """Read and decode the photo of a source, without its mask (see `itportrait.photos.masks`).

    Raises:
        DecodeError: it is not a picture, damaged, or over a limit; the message says which.
        OSError: the bytes cannot be read (FileNotFoundError: there is no such file).
    """
    data = read_source(source, max_bytes=max_bytes)
    picture = decode_picture(data, max_pixels=max_pixels)
    digest = hashlib.sha256(data).hexdigest()
    height, width = picture.pixels.shape[:2]
    return Photo(picture.pixels, digest, width, height, picture.colors)


def read_source(source: Source, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the encoded bytes of a source: its own, a file's, or a part of a container.

    Raises:
        InputFaultError: the source has a fault, or is no regular file.
        DecodeError: more than `max_bytes`.
        OSError: the bytes cannot be read.
    """
    if source.fault is not None:
        raise InputFaultError(source.fault.message)
    if source.data is not None:
        data = source.data
    elif source.container is None or source.span is None:
        with store_errors(source.uri), _open(source.uri) as file:
            data = file.read(max_bytes + 1)
    elif _in_table(source):
        data = _cell(source) or b""
    else:
        offset, size = source.span
        fs, path = open_fs(source.container)
        if size > max_bytes:
            raise DecodeError(f"too large: {size} bytes, the limit is {max_bytes}")
        with store_errors(source.container):
            data = fs.cat_file(path, start=offset, end=offset + size)
        if len(data) != size:
            raise OSError(f"{redact(source.uri)}: {len(data)} bytes of {size} could be read")
    if len(data) > max_bytes:
        raise DecodeError(f"too large: more than {max_bytes} bytes")
    return data  # type: ignore[return-value]


def read_mask_bytes(source: Source, *, max_bytes: int = MAX_BYTES) -> bytes | None:
    """Return the encoded bytes of a photo's mask; None where none came with it.

    Raises:
        InputFaultError: the mask is no regular file.
        DecodeError: more than `max_bytes`.
        OSError: the bytes cannot be read.
    """
    mask = source.mask
    if mask is None or (_in_table(mask) and _cell(mask) is None):
        return None
    return read_source(mask, max_bytes=max_bytes)


def _in_table(source: Source) -> bool:
    return source.span is not None and suffix(source.container or "") in (".parquet", ".pq")


def _cell(source: Source) -> bytes | None:
    """Return what a table's cell holds; None for an empty one."""
    assert source.container is not None
    assert source.span is not None
    version = source.version.rpartition(":")[0]  # without the row: one entry a table
    return read_cell(source.container, version, *source.span, column=source.column)


def _open(uri: str) -> Any:
    """Open a file for reading; on a local disk nothing but a regular one.

    Raises:
        InputFaultError: a named pipe (which would be waited for), a socket or a device.
        OSError: the file cannot be opened.
    """
    fs, path = open_fs(uri)
    if not isinstance(fs, LocalFileSystem):
        return fs.open(path, "rb")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):  # a socket that nobody listens at
            raise InputFaultError(f"{redact(uri)} is no regular file") from None
        raise
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        raise InputFaultError(f"{redact(uri)} is no regular file")
    return os.fdopen(descriptor, "rb")
