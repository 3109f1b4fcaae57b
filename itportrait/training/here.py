"""Adapt a domain in this very process: what the command line does."""

from collections.abc import Callable
from typing import Any

from itportrait.training.domain_job import DomainJob
from itportrait.training.preparation import prepare_job
from itportrait.training.trained_domain import (
    TrainedDomain,
    collect_result,
)


def adapt_here(
    job: DomainJob,
    *,
    device: str = "cpu",
    on_report: Callable = print,
    resume_state: dict[str, Any] | None = None,
) -> TrainedDomain:
    """Adapt a domain in this process: no workers, and no checkpoints but those of `on_report`.

    Args:
        job: the domain.
        device: torch device.
        on_report: called with every `AdaptReport`.
        resume_state: a report's `state()`, from which it goes on; None begins.

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
        resume_state=resume_state,
    )
    return collect_result(job, result, prepared.bundle.model_id, result.references)
