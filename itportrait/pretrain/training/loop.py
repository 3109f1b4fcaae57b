"""Run a training task within a budget of minutes or steps: checkpoints, resume, progress, curve.

Randomness is a function of (seed, step), and the position in the schedule is kept in the
checkpoint. An interrupted run therefore continues as if it had not been interrupted.
"""

import io
import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from itportrait.config import Settings
from itportrait.errors import CheckpointError
from itportrait.io.uris import put_bytes
from itportrait.learning.seeds import device_rng
from itportrait.pretrain.training.task import NetworkTask

logger = logging.getLogger(__name__)


class LoopConfig(Settings):
    """Budget and habits of a training run."""

    minutes: float | None = None
    """Wall time of training in minutes, without validation, checkpoints and interruptions."""
    steps: int | None = None
    """Number of optimization steps, instead of a time; only then is a resumed run identical."""
    seed: int = 0
    """Seed of initial weights, order of the data and all noise."""
    checkpoint_s: float = 60.0
    """Seconds between checkpoints."""
    report_s: float = 30.0
    """Seconds between progress lines (with a validation)."""

    def model_post_init(self, context: Any, /) -> None:
        """Check that exactly one budget is given."""
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give a budget either in minutes or in steps")


class TrainingLoop:
    """A task, its budget, and the folder of its checkpoint and curve.

    Args:
        task: the network in training; its state is replaced where the folder has a checkpoint.
        config: budget and habits.
        folder: receives `checkpoint.pt` and `curve.jsonl`.
    """

    def __init__(self, task: NetworkTask[Any, Any], config: LoopConfig, folder: Path) -> None:
        self.task, self.config, self.folder = task, config, folder
        self.step, self.seconds = 0, 0.0
        self._mean: dict[str, float] = {}
        if self.checkpoint_path.exists():
            self._resume()

    @property
    def checkpoint_path(self) -> Path:
        """Path of the checkpoint."""
        return self.folder / "checkpoint.pt"

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, from 0 on."""
        if self.config.steps is not None:
            return self.step / max(self.config.steps, 1)
        return self.seconds / max((self.config.minutes or 0.0) * 60, 1e-9)

    def run(
        self, *, stop_after: int | None = None, show: Callable[[float], None] | None = None
    ) -> dict[str, float]:
        """Train until the budget is spent; return the last validation.

        Args:
            stop_after: stop early after that many steps of this call, with a checkpoint.
            show: called after each step with the share of the budget that is spent.
        """
        saved = reported = time.monotonic()
        first = self.step
        while self.progress < 1 and (stop_after is None or self.step - first < stop_after):
            start = time.monotonic()
            losses = self.task.step(self.progress, device_rng(self.config.seed, self.step))
            self.step += 1
            self._track(losses)
            now = time.monotonic()
            self.seconds += now - start
            if show is not None:
                show(self.progress)
            if now - reported > self.config.report_s:
                self.report()
                reported = time.monotonic()
            if now - saved > self.config.checkpoint_s:
                self.save()
                saved = time.monotonic()
        self.save()
        return self.report()

    def report(self) -> dict[str, float]:
        """Validate, log a line, and append it to the curve."""
        figures = self.task.validate()
        row = {"step": self.step, "seconds": round(self.seconds, 1)} | self._mean | figures
        text = " ".join(f"{key} {value:.4g}" for key, value in row.items())
        logger.info("%s %3.0f%% %s", self.task.name, 100 * self.progress, text)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        return figures

    def save(self) -> None:
        """Write the checkpoint."""
        state = {"step": self.step, "seconds": self.seconds, "mean": self._mean}
        state["task"] = self.task.state_dict()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        put_bytes(str(self.checkpoint_path), buffer.getvalue())

    def _track(self, losses: dict[str, float]) -> None:
        for key, value in losses.items():
            old = self._mean.get(key, value)
            self._mean[key] = 0.97 * old + 0.03 * value
        bad = [key for key, value in losses.items() if not math.isfinite(value)]
        if bad:
            raise CheckpointError(
                f"{self.task.name}: {', '.join(bad)} is not finite at step {self.step}; "
                f"resume from {self.checkpoint_path} with a lower learning rate"
            )

    def _resume(self) -> None:
        try:
            state = torch.load(self.checkpoint_path, map_location="cpu", weights_only=True)
            self.task.load_state_dict(state["task"])
        except (RuntimeError, KeyError, ValueError, EOFError, UnpicklingError) as error:
            raise CheckpointError(
                f"{self.checkpoint_path} does not fit this task: {error}; delete it to start anew"
            ) from error
        self.step, self.seconds, self._mean = state["step"], state["seconds"], state["mean"]
        logger.info("%s resumed at step %d, %.0f s", self.task.name, self.step, self.seconds)
