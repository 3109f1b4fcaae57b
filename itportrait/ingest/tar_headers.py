"""The headers of a tar file, one after the other, also past damage; Python's `tarfile` parses
them.

`tarfile` itself ends silently at a damaged header, keeps all headers in memory, and can be sent
round in circles by a forged one. Here each header may take a bounded number of bytes, offsets only
grow, and damage is told.
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_BLOCK = 512
_MAGIC, _MAGIC_AT = b"ustar", 257
_CHUNK = 2**20
_HEADER_BYTES = 2**14
"""Largest size of one member's header, including the records of long names and attributes before
it."""
_GLOBAL_RECORDS = 100
_COMPRESSED = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"PK\3\4",
)


@dataclass(frozen=True)
class Damage:
    """A part of the archive that does not follow the format."""

    message: str


class NotTarError(Exception):
    """The file does not begin as a tar archive does; the message continues after the file's
    name."""


def tar_headers(file: Any) -> Iterator[tarfile.TarInfo | Damage]:
    """Stream the members of an uncompressed tar file, and what is damaged between them.

    After a damaged header the next one that is whole is sought and read on from, so that only what
    lies between them is lost.

    Args:
        file: open for reading, with `seek`.

    Raises:
        NotTarError: it does not begin with a header.
    """
    size = file.seek(0, 2)
    _check_begin(file, size)
    reader = _Reader(file)
    # `TarFile` reads a header when it is made, and would fail where that one is damaged.
    archive = tarfile.TarFile(fileobj=io.BytesIO(bytes(2 * _BLOCK)), encoding="utf-8")
    archive.fileobj = reader  # type: ignore[assignment]
    at = 0
    while True:
        reader.begin(at)
        if len(archive.pax_headers) > _GLOBAL_RECORDS:
            archive.pax_headers = {}
        try:
            member = tarfile.TarInfo.fromtarfile(archive)
            if member.size < 0 or archive.offset <= at:  # type: ignore[attr-defined]
                raise tarfile.ReadError("a size is negative")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            if (after := _find_header(file, at)) is not None:
                yield Damage(
                    f"another archive follows its end at byte {after} and was not read; join "
                    "archives with `tar --concatenate`"
                )
            return
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            yield Damage(f"it ends after {size} bytes without the mark of its end: it may be cut")
            return
        # Damaged and forged headers make the parser raise nearly anything.
        except Exception as error:
            after = _find_header(file, at + 1)
            lost = (size if after is None else after) - at
            yield Damage(f"{lost} bytes at byte {at} are damaged ({_reason(error)})")
            if after is None:
                return
            at = after
            continue
        yield member
        at = archive.offset  # type: ignore[attr-defined]
        if at > size:
            yield Damage(f"it is cut at byte {size}, within {member.name!r}")
            return


def _check_begin(file: Any, size: int) -> None:
    file.seek(0)
    head = file.read(_BLOCK)
    if head.startswith(_COMPRESSED):
        raise NotTarError("is compressed; unpack it, or store it uncompressed")
    if size == 0:
        raise NotTarError("is not a whole tar archive: it is empty")
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return  # an archive without members
    except Exception as error:
        raise NotTarError(f"is not a whole tar archive: {_reason(error)}") from None


def _find_header(file: Any, start: int) -> int | None:
    """Return where the next whole header begins, at or after `start`."""
    at = start + _MAGIC_AT
    file.seek(at)
    kept, chunk = b"", file.read(_CHUNK)
    while chunk:
        data, first = kept + chunk, at - len(kept)
        found = data.find(_MAGIC)
        while found >= 0:
            header = first + found - _MAGIC_AT
            if _is_header(file, header):
                return header
            found = data.find(_MAGIC, found + 1)
        at += len(chunk)
        kept = data[-(len(_MAGIC) - 1) :]
        file.seek(at)
        chunk = file.read(_CHUNK)
    return None


def _is_header(file: Any, at: int) -> bool:
    file.seek(at)
    try:
        tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "surrogateescape")
    except Exception:
        return False
    return True


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


class _Reader:
    """A file for `tarfile` that gives each header a bounded number of bytes, and of reads."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.begin(0)

    def begin(self, at: int) -> None:
        """Go to a header."""
        self._left, self._reads = _HEADER_BYTES, _HEADER_BYTES // _BLOCK
        self._file.seek(at)

    def read(self, size: int) -> bytes:
        self._reads -= 1
        if not 0 <= size <= self._left or self._reads < 0:
            raise tarfile.ReadError(f"a header of more than {_HEADER_BYTES} bytes")
        self._left -= size
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()
