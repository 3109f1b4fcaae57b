"""How far a training is: told by the process that trains, shown by the one that waits for it.

The two may be on different machines, and what runs them knows of neither. A small file among the
checkpoints serves both, on any storage, and goes with them.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from itportrait.documents import build, parse_object
from itportrait.errors import ItportraitError
from itportrait.io import uris
from itportrait.training.domain_job import DomainJob

if TYPE_CHECKING:
    from itportrait.adapt import AdaptReport

logger = logging.getLogger(__name__)

_LOCAL_S, _REMOTE_S = 1.0, 5.0
"""Shortest time, in seconds, between two looks at the file, or two writes of it."""
_LONGEST_PAUSE_S = 60.0
"""Longest time, in seconds, between two writes where storage fails again and again."""


@dataclass(frozen=True)
class TrainingState:
    """How far a training is.

    Args:
        step: steps done.
        steps: steps at most; it ends earlier where nothing improves.
        style: score of the last probe; None before the first.
        left_s: seconds it takes yet at most; None while that is not known.
    """

    step: int
    steps: int
    style: float | None = None
    left_s: float | None = None

    @property
    def share(self) -> float:
        """Return how much of it is done, from 0 to 1."""
        return min(max(self.step / self.steps, 0.0), 1.0) if self.steps > 0 else 0.0

    def __str__(self) -> str:
        """Return it in words."""
        text = f"step {self.step} of at most {self.steps}"
        text += "" if self.style is None else f", style {self.style:.3f}"
        return text + ("" if self.left_s is None else f", {self.left_s:.0f} s left at most")


class StepClock:
    """Follows the steps of a training, and tells how far it is.

    Args:
        tell: called after every step.
    """

    def __init__(self, tell: Callable[[TrainingState], None]) -> None:
        self._tell = tell
        self._style: float | None = None
        self._first: int | None = None
        self._began = 0.0

    def step(self, step: int, steps: int) -> None:
        """Take in that steps are done, of so many at most; the first call is before any step."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = step, now
        done = step - self._first
        left_s = (now - self._began) / done * max(steps - step, 0) if done else None
        self._tell(TrainingState(step, steps, self._style, left_s))

    def probe(self, report: "AdaptReport") -> None:
        """Take in the scores of a probe."""
        self._style = report.metrics.get("style", self._style)


class ProgressFile:
    """The file that says how far a training is; it never makes a training fail, or wait for a
    store.

    Args:
        storage: folder or URI of the checkpoints, which all workers reach.
        job: the training.
    """

    def __init__(self, storage: str, job: DomainJob) -> None:
        self.uri = uris.join(storage, job.run_name, "progress.json")
        self._is_local = uris.is_local(storage)
        self.every_s = _LOCAL_S if self._is_local else _REMOTE_S
        self._pause_s, self._not_before = self.every_s, -math.inf
        self._writer: threading.Thread | None = None

    def write(self, state: TrainingState) -> None:
        """Say how far it is, unless that was said just now, or could not be.

        A disk is written at once; a store in a thread, one write at a time.
        """
        is_busy = self._writer is not None and self._writer.is_alive()
        if is_busy or time.monotonic() < self._not_before:
            return
        if self._is_local:
            self._attempt(state)
            return
        self._writer = threading.Thread(
            target=self._attempt, args=(state,), name="news of a training", daemon=True
        )
        self._writer.start()

    def _attempt(self, state: TrainingState) -> None:
        """Write once; after a failure the next attempt is twice as far away as this one was."""
        try:
            uris.put_bytes_once(self.uri, uris.to_json(asdict(state)))
            self._pause_s = self.every_s
        except (OSError, ItportraitError):
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            logger.debug("no progress at %s", uris.redact(self.uri), exc_info=True)
        self._not_before = time.monotonic() + self._pause_s

    def read(self) -> TrainingState | None:
        """Return how far it is, or None where nobody has said so yet."""
        try:
            source = uris.redact(self.uri)
            return build(TrainingState, parse_object(uris.read_bytes(self.uri), source), source)
        except (OSError, ItportraitError):
            return None

    def remove(self) -> None:
        """Remove the file, if there is one."""
        with contextlib.suppress(OSError, ItportraitError):
            uris.remove(self.uri)


@contextlib.contextmanager
def watched(job: DomainJob, storage: str, show: Callable[[TrainingState], None]) -> Iterator[None]:
    """Show how far a training is while the block waits for it.

    Args:
        job: the training, which writes a `ProgressFile`.
        storage: folder or URI of its checkpoints.
        show: called from another thread, whenever something has changed.
    """
    file, end = ProgressFile(storage, job), threading.Event()

    def look() -> None:
        seen = None
        while not end.wait(file.every_s):
            state = file.read()
            if state is not None and state != seen and not end.is_set():
                seen = state
                show(state)

    file.remove()  # of a run that was killed
    looker = threading.Thread(target=look, name=f"progress of {job.spec.name}", daemon=True)
    looker.start()
    try:
        yield
    finally:
        end.set()
        looker.join()
        file.remove()
