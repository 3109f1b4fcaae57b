"""Plan a bank build: which domains changed, which are unchanged, and which cannot be built."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from itportrait.adapt import DomainSpec
from itportrait.bank.store import Bank
from itportrait.config import fingerprint
from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.io import uris
from itportrait.jobs.bank.spec import BankDomain, BankSpec
from itportrait.tracking import default_spool
from itportrait.training.domain_job import (
    DomainJob,
    TrackingTarget,
    training_storage,
)
from itportrait.training.vetting import refuse_warnings, vet_job


class Outcome(StrEnum):
    """The result of a domain in a build."""

    UNCHANGED = "unchanged"
    """The bank has a version with this fingerprint, as champion or as candidate."""
    CHAMPION = "champion"
    """The domain was built and promoted."""
    CANDIDATE = "candidate"
    """The domain was built and held back by the gate."""
    FAILED = "failed"
    """The domain was not built; a former champion stays in service."""


@dataclass(frozen=True, kw_only=True)
class DomainResult:
    """A row of the final table."""

    domain: str
    outcome: Outcome
    version: str = ""
    metrics: dict[str, float] | None = None
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """The work of a build.

    Args:
        bank_id: name of the build: date and fingerprint of bank and specification.
        date: `YYYY-MM-DD`.
        jobs: trainings, one a changed domain.
        settled: domains that need none, or cannot be built, with the reason.
    """

    bank_id: str
    date: str
    jobs: tuple[DomainJob, ...]
    settled: tuple[DomainResult, ...]

    def version_of(self, job: DomainJob) -> str:
        """Return the name of the version that a job makes: the same whenever it is repeated."""
        return f"{self.date}-{job.fingerprint[:8]}"


def plan_build(
    spec: BankSpec,
    bank: Bank,
    *,
    model_id: str,
    date: str,
    tracking_uri: str = "none",
    only: Sequence[str] = (),
    strict: bool = False,
) -> BuildPlan:
    """Compare every domain's fingerprint with the bank's.

    Args:
        spec: the specification.
        bank: need not exist yet.
        model_id: of the base model.
        date: name of the night.
        tracking_uri: MLflow, absolute.
        only: names of the domains to look at; empty: all.
        strict: a domain that is to be trained fails if anything is to be warned of it.

    Raises:
        UnknownNameError: `only` names a domain that the specification lacks.
    """
    spec.check_names(only)
    bank_id = f"{date}-{fingerprint(uris.absolute(bank.uri), spec.for_names())[:8]}"
    spool = None if tracking_uri in ("", "none") else str(default_spool(tracking_uri))
    tracking = TrackingTarget(uri=tracking_uri, parent=f"bank-{bank_id}", spool=spool)
    jobs, settled = [], []
    for name, domain in spec.domains.items():
        if only and name not in only:
            continue
        planned = _plan_domain(spec, domain, bank, model_id, tracking, strict)
        (jobs if isinstance(planned, DomainJob) else settled).append(planned)
    return BuildPlan(bank_id=bank_id, date=date, jobs=tuple(jobs), settled=tuple(settled))


def _plan_domain(
    spec: BankSpec,
    domain: BankDomain,
    bank: Bank,
    model_id: str,
    tracking: TrackingTarget,
    strict: bool,
) -> DomainJob | DomainResult:
    plain: DomainSpec = domain.spec()
    try:
        job = DomainJob.of(
            plain,
            bundle=spec.base,
            adapt=spec.adapt,
            align=spec.align,
            model_id=model_id,
            tracking=tracking,
        )
    except (ItportraitError, OSError) as error:
        return DomainResult(domain=domain.name, outcome=Outcome.FAILED, reason=str(error))
    found = job.find_in(bank)
    if found is None:
        return _vetted(job, strict)
    # A driver that was killed between publishing and clearing up leaves the run's checkpoints.
    uris.remove(uris.join(training_storage(bank.uri), job.run_name), recursive=True)
    is_champion = bank.index()["domains"][domain.name]["champion"] == found.version
    return DomainResult(
        domain=domain.name,
        outcome=Outcome.UNCHANGED,
        version=found.version,
        metrics=found.metrics,
        reason="" if is_champion else "held back; another version is champion",
    )


def _vetted(job: DomainJob, strict: bool) -> DomainJob | DomainResult:
    """Return a training with its warnings, or the failure of one that cannot be begun."""
    name = job.spec.name
    try:
        job = replace(job, warnings=vet_job(job))
        if strict:
            refuse_warnings({name: job.warnings})
    except (ItportraitError, OSError) as error:
        return DomainResult(domain=name, outcome=Outcome.FAILED, reason=uris.redact(str(error)))
    return job


def check_date(date: str) -> str:
    """Return the date if it is `YYYY-MM-DD`.

    Raises:
        InvalidArgumentError: it is not.
    """
    import datetime as dt

    try:
        return dt.date.fromisoformat(date).isoformat()
    except ValueError:
        raise InvalidArgumentError("--date", expected="YYYY-MM-DD", actual=repr(date)) from None
