"""No tracking: every call is accepted and forgotten."""

from pathlib import Path
from typing import Any

import numpy as np

from itportrait.tracking.base import Backlog, RunStatus, Tracker


class NullTracker(Tracker):
    """A tracker that does nothing, chosen with `tracking: none`; results never depend on a
    tracker."""

    @property
    def run_id(self) -> str | None:
        return None

    def child(
        self, name: str, *, key: str | None = None, tags: dict[str, str] | None = None
    ) -> Tracker:
        return self

    def log_metrics(self, metrics: dict[str, float], *, step: int = 0) -> None:
        return

    def log_image(self, key: str, pixels: np.ndarray, *, step: int = 0) -> None:
        return

    def log_params(self, params: dict[str, Any]) -> None:
        return

    def log_artifact(self, path: str | Path, folder: str | None = None) -> None:
        return

    def log_text(self, name: str, text: str) -> None:
        return

    def set_tags(self, tags: dict[str, str]) -> None:
        return

    def flush(self) -> Backlog:
        return Backlog()

    def finish(self, status: RunStatus | str = RunStatus.FINISHED) -> None:
        return
