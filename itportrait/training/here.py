"""Adapt a domain in this very process: what the command line does."""

from collections.abc import Callable

from itportrait.training.domain_job import DomainJob
from itportrait.training.preparation import prepare_job
from itportrait.training.trained_domain import (
    TrainedDomain,
    collect_result,
)


def adapt_here(
    job: DomainJob, *, device: str = "cpu", on_report: Callable = print
) -> TrainedDomain:
    """Adapt a domain in this process: no workers, no checkpoints.

    Args:
        job: the domain.
        device: torch device.
        on_report: called with every `AdaptReport`.

    Raises:
        ItportraitError: options, references or models do not fit.
    """
    from itportrait.adapt import adapt_domain

    prepared = prepare_job(job, device)
    result = adapt_domain(
        prepared.bundle,
        job.spec,
        job.adapt,
        references=prepared.references or None,
        pictures=prepared.pictures,
        fingerprint=job.fingerprint,
        on_report=on_report,
    )
    return collect_result(job, result, prepared.bundle.model_id, result.references)
