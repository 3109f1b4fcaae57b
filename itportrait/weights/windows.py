"""Parts of foreign files: every length is compared with the file's end before anything is read."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from itportrait.errors import CheckpointError, ItportraitError

_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 10


@dataclass(frozen=True, eq=False)
class Span:
    """Bytes that lie in a file and are read when they are needed."""

    file: BinaryIO
    """The open file."""
    start: int
    """Offset of the first byte."""
    length: int
    """Number of bytes."""

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return the span of bytes that are in memory already."""
        return cls(io.BytesIO(data), 0, len(data))

    def window(self) -> "Window":
        """Return a window that reads these bytes from their beginning."""
        return Window(self.file, self.start, self.length)

    def read(self) -> bytearray:
        """Return the bytes.

        Raises:
            CheckpointError: the file has become shorter since it was opened.
        """
        data = bytearray(self.length)
        self.file.seek(self.start)
        if self.file.readinto(data) != self.length:  # type: ignore[attr-defined]
            raise CheckpointError("the file is truncated")
        return data


class Window:
    """A part of a file that is read forward, and never past its end.

    Args:
        file: the open file; other windows may read it in between.
        start: offset of the part.
        length: bytes of the part.
    """

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._next, self._end = file, start, start + length
        self._chunk, self._at = b"", 0

    @property
    def left(self) -> int:
        """Number of bytes that are still to come."""
        return self._end - self._next + len(self._chunk) - self._at

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            CheckpointError: the part ends before.
        """
        end = self._at + count
        if end > len(self._chunk):
            self._fill(count)
            end = count
        data = self._chunk[self._at : end]
        self._at = end
        return data

    def skip(self, count: int) -> Span:
        """Step over the next `count` bytes without reading them, and return where they are.

        Raises:
            CheckpointError: the part ends before.
        """
        self._check(count)
        start = self._next - len(self._chunk) + self._at
        span = Span(self._file, start, count)
        self._next, self._chunk, self._at = start + count, b"", 0
        return span

    def line(self) -> str:
        """Return the next line, without its end.

        Raises:
            CheckpointError: it is longer than names and numbers are, or no text.
        """
        if self._chunk.find(b"\n", self._at) < 0:
            self._fill(min(self.left, _LONGEST_LINE))
        end = self._chunk.find(b"\n", self._at, self._at + _LONGEST_LINE)
        if end < 0:
            raise CheckpointError("the pickle is truncated, or has a line of more than 1024 bytes")
        line, self._at = self._chunk[self._at : end], end + 1
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise CheckpointError(f"the pickle is malformed: a line is no text: {error}") from error

    def _fill(self, count: int) -> None:
        self._check(count)
        kept = self._chunk[self._at :]
        wanted = max(count - len(kept), min(_CHUNK, self._end - self._next))
        self._file.seek(self._next)
        data = self._file.read(wanted)
        if len(data) != wanted:
            raise CheckpointError("the file is truncated")
        self._chunk, self._at, self._next = kept + data, 0, self._next + wanted

    def _check(self, count: int) -> None:
        if count > self.left:
            raise CheckpointError(
                f"the file is truncated or malformed: {count} bytes are said to follow "
                f"where {self.left} are left"
            )


@contextmanager
def fence(path: str | Path) -> Iterator[None]:
    """Name the file in every error of its reading, whatever kind of error it is.

    Raises:
        UnsafeCheckpointError, CheckpointError: what the reading raised.
    """
    try:
        yield
    except CheckpointError as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise type(error)(f"{path}: {error}") from error
    except ItportraitError:
        raise
    except MemoryError as error:
        raise CheckpointError(f"{path}: this machine lacks the memory to read it") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    except Exception as error:  # what parsers of damaged bytes raise; no code of the file ran
        raise CheckpointError(f"{path} is malformed: {type(error).__name__}: {error}") from error
