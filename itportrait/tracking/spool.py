"""The queue of a run's events: a local file, from which they go to the tracking service in
order.

Every event is written to the file before anything is sent, so that a process that is killed loses
none, and whoever opens the run later sends the rest. A line that was sent begins with `#`.
"""

import base64
import contextlib
import hashlib
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from itportrait.tracking.database import file_lock

logger = logging.getLogger(__name__)

Event = dict[str, Any]

_LONGEST_LINE = 2**26
_KEPT_IN_MEMORY = 2**26
_LOCK_S = 1.0


class Spool:
    """A queue of events in one JSON-lines file, which several processes may fill and empty.

    Where the file cannot be written, events wait in memory: up to 64 MB, for as long as the process
    lives.

    Args:
        folder: where spools lie; made on the first write.
        key: names the run; the file name is derived from it, so that a resumed run finds its queue.
    """

    def __init__(self, folder: str | Path, key: str) -> None:
        digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:16]
        self.path = Path(folder) / f"{digest}.jsonl"
        self._memory: deque[str] = deque()
        self._in_memory = 0
        self.lost = 0
        """Events that neither the file nor the memory could hold."""

    @classmethod
    def at(cls, path: Path) -> "Spool":
        """Open the queue of a file that is there."""
        spool = cls(path.parent, "")
        spool.path = path
        return spool

    def __len__(self) -> int:
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            return sum(_waits(line) for line in iter(lambda: _read_line(file), b"")) + len(
                self._memory
            )
        return len(self._memory)

    @property
    def empty(self) -> bool:
        """Whether nothing waits; unlike the length, it is known without reading the file."""
        return not self._memory and not self.path.exists()

    def append(self, event: Event) -> None:
        """Add an event; what cannot be kept is logged, never raised."""
        try:
            line = json.dumps(event)
        except (TypeError, ValueError, RecursionError) as error:
            logger.warning("a tracking event is no plain data and is dropped: %s", error)
            return
        if self._memory:  # order is kept
            self._remember(line)
            return
        try:
            with self._alone(), self.path.open("ab+") as file:
                if file.tell() and _last_byte(file) != b"\n":  # half a line of a killed writer
                    line = "\n" + line
                file.write(line.encode() + b"\n")
        except OSError as error:
            logger.warning(
                "the spool %s cannot be written, tracking events wait in memory: %s",
                self.path,
                error,
            )
            self._remember(line)

    def _remember(self, line: str) -> None:
        if self._in_memory + len(line) > _KEPT_IN_MEMORY:
            self.lost += 1
            return
        self._memory.append(line)
        self._in_memory += len(line)

    def drain(self, send: Callable[[Event], None]) -> bool:
        """Send events in order; stop at the first that fails, and keep it and those after it.

        Args:
            send: raises when the service is away.

        Returns:
            Whether all was sent; False where another process is sending from the file.

        Raises:
            OSError: the file cannot be read or marked.
            Exception: whatever `send` raised.
        """
        if self.path.exists() and not self._drain_file(send):
            return False
        while self._memory:
            self._send_line(self._memory[0].encode(), send)
            self._in_memory -= len(self._memory.popleft())
        return True

    def _drain_file(self, send: Callable[[Event], None]) -> bool:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(file_lock(self.path.with_suffix(".send"), timeout_s=0.0))
                file = stack.enter_context(self.path.open("rb+", buffering=0))
            except TimeoutError:
                return False
            except FileNotFoundError:  # another process has sent the rest meanwhile
                return True
            reader = stack.enter_context(self.path.open("rb"))
            while True:
                with self._alone():  # half a line that is seen now has no writer any more
                    start = reader.tell()
                    line = _read_line(reader)
                    if not line:
                        self.path.unlink(missing_ok=True)
                        return True
                if _waits(line):
                    self._send_line(line, send)
                    os.pwrite(file.fileno(), b"#", start)

    def _send_line(self, line: bytes, send: Callable[[Event], None]) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict):
            send(event)
        else:
            logger.warning("a damaged line in %s (a killed writer?) is skipped", self.path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes off the file for a moment, never for as long as a request takes."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(self.path.with_suffix(".lock"), timeout_s=_LOCK_S):
            yield


def _waits(line: bytes) -> bool:
    return bool(line.strip()) and not line.startswith(b"#")


def _read_line(file: IO[bytes]) -> bytes:
    """Read a line; of one that is too long for an event only the beginning is kept."""
    line = file.readline(_LONGEST_LINE)
    rest = line
    while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
        rest = file.readline(_LONGEST_LINE)
    return line


def _last_byte(file: IO[bytes]) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def pack_bytes(data: bytes) -> str:
    """Return bytes as text for an event."""
    return base64.b64encode(data).decode()


def unpack_bytes(text: str) -> bytes:
    """Return the bytes that `pack_bytes` packed."""
    return base64.b64decode(text)
