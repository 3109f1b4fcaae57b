"""The style domains of the main job: from the bank, coming with the bundle, or to be adapted."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property, partial

from itportrait.adapt.domain import DomainSpec
from itportrait.bank.store import Bank, BankVersion
from itportrait.engine.pipeline import Domain
from itportrait.errors import ItportraitError, UnknownNameError
from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call
from itportrait.jobs.backend import Backend
from itportrait.jobs.ready_made import find_champion, is_ready_made
from itportrait.jobs.stylize.config import JobConfig
from itportrait.jobs.stylize.job_tracking import JobTracking
from itportrait.stages.recipe import Recipe
from itportrait.training.domain_job import DomainJob, training_storage
from itportrait.training.domain_run import record_verdict
from itportrait.training.in_task import train_in_task
from itportrait.training.pool import TrainingPool, gpus_per_worker
from itportrait.training.progress import TrainingState, watched
from itportrait.training.trained_domain import TrainedDomain, publish_trained
from itportrait.training.vetting import refuse_warnings, vet_jobs


def check_domains(config: JobConfig) -> list[BankVersion]:
    """Look up all names of domains in the bank and the bundle, before anything is started.

    Returns:
        Their champions.

    Raises:
        UnknownNameError: neither bank, bundle nor configuration have a domain of this name.
        NoInputError: there is no such bank.
        InvalidArgumentError: the bank has candidates of a domain alone, and the bundle has none.
    """
    bank = Bank(config.bank)
    names = [domain for domain in config.domains if isinstance(domain, str)]
    return [_champion(name, bank, config) for name in names]


def job_of(spec: DomainSpec, config: JobConfig, model_id: str) -> DomainJob:
    """Return the training of a domain that the configuration specifies; see `DomainJob.of`."""
    return DomainJob.of(
        spec, bundle=config.bundle, adapt=config.adapt, align=config.align, model_id=model_id
    )


def _champion(name: str, bank: Bank, config: JobConfig) -> BankVersion:
    try:
        return find_champion(name, bank, config.bundle)
    except UnknownNameError as error:
        known = {*error.known, *config.domain_names()} - {name}
        raise UnknownNameError("domain", name, sorted(known)) from None


class JobDomains:
    """Finds the version of each domain of a job, or prepares what makes it.

    Args:
        config: of the job.
        model_id: of the bundle.
        backend: what trains.
        tracking: the run of the job.
        recipe_of: the last stage with a version of a bank.
        strict: refuse domains of which anything is to be warned.
    """

    def __init__(
        self,
        config: JobConfig,
        model_id: str,
        backend: Backend,
        tracking: JobTracking,
        recipe_of: Callable[[BankVersion], Recipe],
        *,
        strict: bool = False,
    ) -> None:
        self.config, self.model_id, self.backend = config, model_id, backend
        self.tracking, self.recipe_of, self.strict = tracking, recipe_of, strict
        self.bank = Bank(config.bank)
        self.warnings: dict[str, list[str]] = {}
        """What people should know of domains, by name; trained ones add what became of them."""
        self._untrained: list[DomainJob] = []
        self._domain = partial(Domain, stage=config.stages[-1])

    def find(self) -> list[Domain]:
        """Take the domains of the job from the bank or the bundle, or prepare their adaptation.

        Raises:
            UnknownNameError: neither bank, bundle nor configuration have a domain of this name.
            NoInputError: there is no such bank, or a reference picture cannot be read or shows no
                face; names it.
            InvalidArgumentError: `strict`, and there is something to warn of.
        """
        found = [
            self._named(domain) if isinstance(domain, str) else self._specified(domain)
            for domain in self.config.domains
        ]
        self._vet()
        if self.strict:
            refuse_warnings(self.warnings)
        return found

    def _vet(self) -> None:
        """Look at what guides the trainings, in a task, before any of them begins."""
        if self._untrained:
            jobs = tuple(self._untrained)
            call = Call(function=vet_jobs, args=(jobs,), name="check of domains", num_cpus=0.1)
            for job, said in zip(jobs, run_patiently(self.backend.executor(), call), strict=True):
                self.warnings[job.spec.name] = list(said)

    def _named(self, name: str) -> Domain:
        found = _champion(name, self.bank, self.config)
        recipe = self.recipe_of(found)
        self.warnings[name] = found.warnings
        if not is_ready_made(found, self.config.bundle):
            return self._domain(name, recipe)
        return self._domain(name, None, partial(self._adopt, found), "coming with the bundle")

    def _adopt(self, ready: BankVersion) -> "Future[Recipe]":
        """Copy a ready-made version into the bank, which all nodes reach, and track it."""
        future: Future[Recipe] = Future()
        try:
            version = self.bank.adopt(ready)
            future.set_result(self.recipe_of(version))
        except ItportraitError as error:
            future.set_exception(error)
            return future
        self.tracking.record(version)
        return future

    def _specified(self, spec: DomainSpec) -> Domain:
        job = replace(job_of(spec, self.config, self.model_id), tracking=self.tracking.target)
        found = job.find_in(self.bank)
        if found is not None:
            self.warnings[spec.name] = found.warnings
            return self._domain(spec.name, self.recipe_of(found))
        self._untrained.append(job)
        domain = self._domain(spec.name, None)
        domain.adapt = lambda: self._pool.submit(partial(self._adapt, job, domain), spec.name)
        return domain

    def _adapt(self, job: DomainJob, domain: Domain) -> Recipe:
        def show(state: TrainingState) -> None:
            domain.progress = str(state)

        self.tracking.open()
        storage = training_storage(self.config.bank)
        job = replace(job, warnings=tuple(self.warnings[job.spec.name]))
        with watched(job, storage, show):
            trained = self._trained(job, storage)
        domain.progress = "publishing"
        version = publish_trained(trained, self.bank, self.config.gate, storage=storage)
        self.warnings[job.spec.name] = version.warnings
        self.tracking.record(version, record_verdict)
        return self.recipe_of(version)

    def _trained(self, job: DomainJob, storage: str) -> TrainedDomain:
        train = self.config.train
        if self.config.adaptation == "ray_train":
            return self.backend.train(job, train, storage=storage)
        gpus = min(gpus_per_worker(train, self.backend.gpus), 1.0)
        call = Call(
            function=train_in_task,
            args=(job, storage, "cuda" if gpus else "cpu", train.deadline_s),
            name=f"adapt {job.spec.name}",
            num_cpus=train.cpus_per_worker,
            num_gpus=gpus,
            timeout_s=train.deadline_s,
        )
        return run_patiently(self.backend.executor(), call)

    @cached_property
    def _pool(self) -> TrainingPool:
        # One core is left to the shards, so that photos are aligned while domains are adapted.
        cores = max(self.backend.cores - 1, 1.0)
        return TrainingPool(self.config.train, cores=cores, gpus=self.backend.gpus)
