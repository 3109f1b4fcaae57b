"""Adapt a domain in this very process, and publish it: what the command line and Python do."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from itportrait.bank.gate import FloorsConfig
from itportrait.bank.store import Bank, BankVersion
from itportrait.terminal import Working
from itportrait.training.domain_job import DomainJob
from itportrait.training.preparation import prepare_job
from itportrait.training.progress import StepClock, TrainingState
from itportrait.training.trained_domain import (
    TrainedDomain,
    collect_result,
    publish_trained,
)

if TYPE_CHECKING:
    from itportrait.adapt import AdaptReport


def adapt_here(
    job: DomainJob,
    *,
    device: str = "cpu",
    on_report: Callable = print,
    on_progress: Callable[[TrainingState], None] = lambda state: None,
    resume_state: dict[str, Any] | None = None,
) -> TrainedDomain:
    """Adapt a domain in this process: no workers, and no checkpoints but those of `on_report`.

    Args:
        job: the domain.
        device: torch device.
        on_report: called with every `AdaptReport`.
        on_progress: called after every step.
        resume_state: a report's `state()`, from which it goes on; None begins.

    Raises:
        ItportraitError: options, references or models do not fit.
    """
    from itportrait.adapt import adapt_domain

    clock = StepClock(on_progress)

    def report(report: "AdaptReport") -> None:
        clock.probe(report)
        on_report(report)

    prepared = prepare_job(job, device)
    result = adapt_domain(
        prepared.bundle,
        job.spec,
        job.adapt,
        references=prepared.references or None,
        pictures=prepared.pictures,
        fingerprint=job.fingerprint,
        on_report=report,
        on_step=clock.step,
        resume_state=resume_state,
    )
    return collect_result(job, result, prepared.bundle.model_id, result.references)


def publish_here(
    job: DomainJob, bank: Bank, gate: FloorsConfig, *, device: str, working: Working
) -> BankVersion:
    """Adapt a domain in this process and publish it, from where an earlier call was stopped.

    Args:
        job: the domain.
        bank: where to.
        gate: the floors of a champion.
        device: torch device.
        working: shows how far it is, and what is to be said of it.

    Raises:
        ItportraitError: options, references or models do not fit.
    """
    from itportrait.training.kept_state import KeptState

    kept = KeptState.in_bank(bank.uri, job)
    state = kept.load()
    if state is not None:
        working.line(f"goes on from step {state['step']}, where it was stopped")
    working.now(f"adapt {job.spec.name}")

    def progress(state: TrainingState) -> None:
        working.step(state.step, state.steps, str(state))

    def report(report: "AdaptReport") -> None:
        if not report.last:
            kept.save(report.state())
        working.line(_scores(report))

    trained = adapt_here(
        job, device=device, on_report=report, on_progress=progress, resume_state=state
    )
    working.now(f"adapt {job.spec.name}: publishing")
    version = publish_trained(trained, bank, gate)
    kept.remove()
    for text in version.warnings[len(job.warnings) :]:
        working.line(f"warning: {text}")
    return version


def _scores(report: "AdaptReport") -> str:
    """Return the line of a probe."""
    names = ("style", "identity", "depth_variance")
    known = [name for name in names if name in report.metrics]
    scores = ", ".join(f"{name} {report.metrics[name]:.3f}" for name in known)
    return f"step {report.step}: {scores}{' (kept)' if report.kept else ''}"
