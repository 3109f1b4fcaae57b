"""Adapt a domain in one task: the models stay in its process, and its state on the storage."""

import tempfile
from pathlib import Path
from typing import Any

from itportrait.training.domain_job import DomainJob
from itportrait.training.files import read_result
from itportrait.training.here import adapt_here
from itportrait.training.interrupted import STATE
from itportrait.training.kept_state import KeptState
from itportrait.training.progress import ProgressFile
from itportrait.training.trained_domain import TrainedDomain
from itportrait.training.worker import SaveFiles, TrainingWorker


def adapt_in_task(job: DomainJob, storage: str, device: str) -> TrainedDomain:
    """Adapt a domain in this process, or go on with an adaptation that was interrupted.

    Args:
        job: the domain.
        storage: folder or URI that all workers reach; `RUN/state-*.pt` is the last probed step.
        device: torch device.

    Raises:
        ItportraitError: options, references or models do not fit.
        OSError: storage failed again and again. A state that may be there is not given up.
    """
    kept = KeptState(storage, job)

    def keep(report) -> None:
        if not report.last:  # after the last one follows the result itself
            kept.save(report.state())

    return adapt_here(
        job,
        device=device,
        on_report=keep,
        on_progress=ProgressFile(storage, job).write,
        resume_state=kept.load(),
    )


def train_in_task(job: DomainJob, storage: str, device: str, deadline_s: float) -> TrainedDomain:
    """Train a domain in this process as the only worker of Ray Train would, its run tracked too.

    Args:
        job: the domain.
        storage: folder or URI that all workers reach; `RUN/state-*.pt` is the last probed step.
        device: torch device.
        deadline_s: seconds after which the training is given up.

    Raises:
        TimeoutError: the deadline has passed.
        ItportraitError: options, references or models do not fit.
        OSError: storage failed again and again. A state that may be there is not given up.
    """
    with tempfile.TemporaryDirectory() as folder:
        TrainingWorker(
            job=job,
            rank=0,
            device=device,
            workers=None,
            checkpoints=_KeptFiles(KeptState(storage, job), Path(folder)),
            deadline_s=deadline_s,
            on_progress=ProgressFile(storage, job).write,
        ).run()
        return read_result(job, Path(folder))


class _KeptFiles:
    """Checkpoints of a worker that is alone: its state on the storage, its result in a folder."""

    def __init__(self, kept: KeptState, folder: Path) -> None:
        self.kept, self.folder = kept, folder

    def load(self) -> dict[str, Any] | None:
        return self.kept.load()

    def report(self, metrics: dict[str, Any], save: SaveFiles | None) -> None:
        if save is None:
            return
        save(self.folder)
        state = self.folder / STATE
        if state.exists():
            self.kept.put(state.read_bytes())
            state.unlink()
