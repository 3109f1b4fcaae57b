"""One worker of a domain's training: it adapts, reports its numbers and keeps its checkpoints."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from itportrait.training.domain_job import DomainJob
from itportrait.training.domain_run import DomainRun
from itportrait.training.files import save_result, save_state
from itportrait.training.preparation import prepare_job
from itportrait.training.progress import StepClock, TrainingState
from itportrait.training.trained_domain import collect_result

if TYPE_CHECKING:
    from itportrait.adapt import AdaptReport, AdaptResult
    from itportrait.adapt.workers import Workers

SaveFiles = Callable[[Path], None]
"""Writes the files of a checkpoint into a folder."""


class Checkpoints(Protocol):
    """Receives a worker's numbers and checkpoints; every worker reports as often as the others."""

    def load(self) -> dict[str, Any] | None:
        """Return the state that the training goes on from, or None where it begins."""
        ...

    def report(self, metrics: dict[str, Any], save: SaveFiles | None) -> None:
        """Report numbers, with the files of a checkpoint where `save` is given."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingWorker:
    """A worker's place among those that train one domain.

    Args:
        job: the training.
        rank: number of the worker; the first one, 0, keeps the checkpoints and the tracked run.
        device: torch device.
        workers: all of them; None: it is alone.
        checkpoints: where numbers and checkpoints go.
        deadline_s: seconds after which the training is given up.
        on_progress: called after every step, on the first rank alone.
    """

    job: DomainJob
    rank: int
    device: str
    workers: "Workers | None"
    checkpoints: Checkpoints
    deadline_s: float
    on_progress: Callable[[TrainingState], None] = lambda state: None

    def run(self) -> None:
        """Adapt the domain to its end.

        Raises:
            TimeoutError: the deadline has passed.
            ItportraitError: options, references or models do not fit.
        """
        from itportrait.adapt import adapt_domain

        job = self.job
        prepared = prepare_job(job, self.device)
        reporter = _Reporter(self)
        try:
            result = adapt_domain(
                prepared.bundle,
                job.spec,
                job.adapt,
                references=prepared.references or None,
                pictures=prepared.pictures,
                workers=self.workers,
                fingerprint=job.fingerprint,
                resume_state=self.checkpoints.load(),
                on_start=reporter.start if self.rank == 0 else None,
                on_report=reporter.report,
                on_step=reporter.clock.step,
            )
        except BaseException:
            reporter.fail()
            raise
        reporter.finish_with(result, prepared.bundle.model_id)


class _Reporter:
    """Reports the numbers of every rank; the first rank keeps checkpoints and the tracked run."""

    def __init__(self, worker: TrainingWorker) -> None:
        self.job, self.rank = worker.job, worker.rank
        self.checkpoints = worker.checkpoints
        self.deadline = time.monotonic() + worker.deadline_s
        self.run = DomainRun(worker.job) if worker.rank == 0 else None
        self.clock = StepClock(worker.on_progress if worker.rank == 0 else lambda state: None)

    def start(self, report: "AdaptReport") -> None:
        """Show the unadapted generator at step 0: where the curves begin."""
        if self.run is not None:
            self.run.show(report)

    def report(self, report: "AdaptReport") -> None:
        """Report a probe's numbers, on the first rank together with a checkpoint."""
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"domain {self.job.spec.name!r} ran past its deadline")
        self.clock.probe(report)
        metrics = {"step": report.step, **report.metrics}
        if self.rank != 0 or report.last:  # after the last one follows the result itself
            self.checkpoints.report(metrics, None)
        else:
            self.checkpoints.report(metrics, lambda folder: save_state(folder, report.state()))
        # After the checkpoint, so that a retry repeats as little as it can.
        if self.run is not None:
            self.run.show(report)

    def finish_with(self, result: "AdaptResult", model_id: str) -> None:
        """Store the result; on the first rank close the tracked run with its final scalars."""
        metrics = {"step": result.step, **result.metrics}
        if self.run is None:
            self.checkpoints.report(metrics, None)
            return
        trained = collect_result(self.job, result, model_id, result.references)
        self.checkpoints.report(metrics, partial(save_result, trained=trained))
        self.run.finish_with(result)

    def fail(self) -> None:
        """Close the tracked run of a training that has failed."""
        if self.run is not None:
            self.run.fail()
