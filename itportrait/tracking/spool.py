"""A local file that holds what the tracking service could not take, in order, until it can."""

import base64
import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

Event = dict[str, Any]


class Spool:
    """A queue of events in one JSON-lines file, which several processes may fill and empty.

    Args:
        folder: where spools lie; made on the first write.
        key: names the run; the file name is derived from it, so that a resumed run finds its queue.
    """

    def __init__(self, folder: str | Path, key: str) -> None:
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        self.path = Path(folder) / f"{digest}.jsonl"

    def __len__(self) -> int:
        return len(self._lines())

    def _lines(self) -> list[str]:
        if not self.path.exists():
            return []
        return [line for line in self.path.read_text().splitlines() if line.strip()]

    def append(self, event: Event) -> None:
        """Add an event and flush it to the disk; a full disk is logged, never raised."""
        try:
            with self._alone(), self.path.open("a") as file:
                file.write(json.dumps(event) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            logger.warning(
                "tracking event lost, the spool %s cannot be written: %s", self.path, error
            )

    def drain(self, send: Callable[[Event], None]) -> bool:
        """Send events in order; stop at the first that fails, and keep it and those after it.

        Args:
            send: raises when the service is still away.

        Returns:
            Whether the spool is empty now.

        Raises:
            Exception: whatever `send` raised, after the queue was saved.
        """
        if not self.path.exists():
            return True
        with self._alone():
            lines = self._lines()
            done = 0
            try:
                for line in lines:
                    try:
                        event = json.loads(line)
                    except json.JSONDecodeError:
                        logger.warning("half a line in %s (a killed writer) is skipped", self.path)
                        done += 1
                        continue
                    send(event)
                    done += 1
            finally:
                self._keep(lines[done:])
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes off the file: a replay must not lose what a build appends to it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed by the system even when the holder is killed
            yield

    def _keep(self, lines: list[str]) -> None:
        if not lines:
            self.path.unlink(missing_ok=True)
            return
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("\n".join(lines) + "\n")
        temporary.replace(self.path)


def pack_bytes(data: bytes) -> str:
    """Return bytes as text for an event."""
    return base64.b64encode(data).decode()


def unpack_bytes(text: str) -> bytes:
    """Return the bytes that `pack_bytes` packed."""
    return base64.b64decode(text)
