"""Adapt a domain in one task: the models stay in its process, and its state on the storage."""

from itportrait.training.domain_job import DomainJob
from itportrait.training.here import adapt_here
from itportrait.training.kept_state import KeptState
from itportrait.training.progress import ProgressFile
from itportrait.training.trained_domain import TrainedDomain


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
