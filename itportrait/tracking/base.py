"""What a run reports: numbers, pictures and files, under names that all runs share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from itportrait.text import shown


class RunStatus(StrEnum):
    """How a run ended."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


FINAL = "final"
"""Group of the figures that the training's own probe gave of the style that was kept."""
FINAL_ON_BANK_PROBE = "final_on_bank_probe"
"""Group of the figures of the same style on the bank's probe set, which the gate judges by."""
CHAMPION_ON_BANK_PROBE = "champion_on_bank_probe"
"""Group of the figures of the champion that stood before, on that set."""
OVERALL = "overall"
"""Group of the figures of a method over all its domains."""


def probe_image_key(index: int) -> str:
    """Return the key of the index-th probe face: the same in every run, so that they compare."""
    return f"probe/face_{index:03d}"


def final_image_key(index: int) -> str:
    """Return the key of the same face in the style that was kept."""
    return f"{FINAL}/face_{index:03d}"


@dataclass(frozen=True)
class Backlog:
    """What the tracking service does not have yet.

    Args:
        waiting: events that wait, and are sent when the run is opened again.
        lost: events that could not be kept.
        problem: why they wait, and what to do; empty where nothing hinders them.
        folder: where they wait.
        uri: of the service, without credentials.
    """

    waiting: int = 0
    lost: int = 0
    problem: str = ""
    folder: str = ""
    uri: str = ""

    def __bool__(self) -> bool:
        return bool(self.waiting or self.lost)

    def __str__(self) -> str:
        """Return one line for people."""
        words = f"MLflow at {self.uri}: {self.problem or 'it does not keep up'}; "
        words += f"{self.waiting} events wait in {self.folder} and are sent by the next run"
        words += f", {self.lost} are lost" if self.lost else ""
        return shown(words)


class Tracker(ABC):
    """One run, open until `finish`; as a context manager it fails the run when an error leaves it.

    No method raises because of the tracking service, and none but `flush` and `finish` waits for
    it: training never dies of its bookkeeping.
    """

    @property
    @abstractmethod
    def run_id(self) -> str | None:
        """The service's id of the run, None where it has none (yet)."""

    @abstractmethod
    def child(
        self, name: str, *, key: str | None = None, tags: dict[str, str] | None = None
    ) -> "Tracker":
        """Open a run below this one; the same `key` (default: name) finds it again on resume."""

    @abstractmethod
    def log_metrics(self, metrics: dict[str, float], *, step: int = 0) -> None:
        """Log numbers at a step; a point that the resumed run has already is not repeated."""

    @abstractmethod
    def log_image(self, key: str, pixels: np.ndarray, *, step: int = 0) -> None:
        """Log a picture, uint8 `[H, W, 3]`; not repeated for the same key and step."""

    @abstractmethod
    def log_params(self, params: dict[str, Any]) -> None:
        """Log few, short settings; values are written as text of at most 500 characters."""

    @abstractmethod
    def log_artifact(self, path: str | Path, folder: str | None = None) -> None:
        """Log a file under an optional folder of the run."""

    @abstractmethod
    def log_text(self, name: str, text: str) -> None:
        """Log a text as a file of the run, replacing one of the same name."""

    @abstractmethod
    def set_tags(self, tags: dict[str, str]) -> None:
        """Set tags, replacing those of the same names."""

    @abstractmethod
    def flush(self) -> Backlog:
        """Wait, a few seconds at most, until the service has what was logged; return the rest."""

    @abstractmethod
    def finish(self, status: RunStatus | str = RunStatus.FINISHED) -> None:
        """Close the run with its status; calling it again has no effect."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish(RunStatus.FINISHED)
        elif issubclass(kind, (KeyboardInterrupt, SystemExit)):
            self.finish(RunStatus.KILLED)
        else:
            self.finish(RunStatus.FAILED)
