"""The interface of what a bank build computes with: trainings and scores, as many at once as
fit."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol

from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call
from itportrait.jobs.backend import Backend
from itportrait.jobs.bank.scores import ScoreJob, Scores, score_job
from itportrait.training.domain_job import DomainJob, TrainConfig
from itportrait.training.pool import TrainingPool, gpus_per_worker
from itportrait.training.progress import watched
from itportrait.training.trained_domain import TrainedDomain

Show = Callable[[str, str, float | None], None]
"""Shows how far one of several things is; see `Working.beside`."""


class Compute(Protocol):
    """Trains and scores domains; the calls block, and come from several threads."""

    @property
    def limit(self) -> int:
        """Largest number of domains at once."""
        ...

    def submit(self, function: Callable[[], Any], name: str) -> Future:
        """Run a function when one of the places is free, and keep the place until it ends."""
        ...

    def train(self, job: DomainJob) -> TrainedDomain:
        """Train one domain to its end, or go on with a run that was interrupted."""
        ...

    def score(self, job: ScoreJob) -> Scores:
        """Score versions of one domain."""
        ...


class BackendCompute:
    """Trainings and scores on a backend; see `Compute`.

    A domain keeps its place from training to publication: its score then runs on the resources that
    its own training has just given back, and cannot wait behind the next training.

    Args:
        backend: what runs them.
        train: resources, retries and deadline of a domain.
        storage: folder or URI of checkpoints that all workers reach.
        show: called with the name of what is worked on, how far it is ("" at its end), and the
            share that is done, as far as it is known.
    """

    def __init__(
        self,
        backend: Backend,
        train: TrainConfig,
        storage: str,
        *,
        show: Show = lambda name, text, share: None,
    ) -> None:
        self.backend, self.config, self.storage, self.show = backend, train, storage, show
        self._place = threading.local()
        self._pool = TrainingPool(train, cores=backend.cores, gpus=backend.gpus)
        self._gpus = min(gpus_per_worker(train, backend.gpus), 1.0)

    @property
    def limit(self) -> int:
        """Largest number of domains at once."""
        return self._pool.limit

    def submit(self, function: Callable[[], Any], name: str) -> Future:
        """Run a function in a thread when there is room."""

        def run() -> Any:
            self._place.name = name
            try:
                return function()
            finally:
                self.show(name, "", None)

        return self._pool.submit(run, name)

    def says(self, text: str) -> None:
        """Show what is done in the place that this thread holds, if it holds one."""
        if name := getattr(self._place, "name", ""):
            self.show(name, text, None)

    def train(self, job: DomainJob) -> TrainedDomain:
        """Train one domain."""
        with self.watched(job):
            return self.backend.train(job, self.config, storage=self.storage)

    def watched(self, job: DomainJob) -> AbstractContextManager[None]:
        """Show how far a training is while the block waits for it."""
        name = getattr(self._place, "name", job.spec.name)
        self.show(name, "adapting", None)
        show = self.show
        return watched(job, self.storage, lambda state: show(name, str(state), state.share))

    def score(self, job: ScoreJob) -> Scores:
        """Score in a task."""
        self.says("scoring")
        return self.run(f"score {job.spec.name}", score_job, job)

    def run(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a task with its arguments and, as the last one, the torch device.

        A lost process or node is tried again, and memory is waited for.

        Raises:
            ItportraitError: it was lost again and again, with the reason; or what it raised.
        """
        return run_patiently(self.backend.executor(), self._call(name, function, *args))

    def _call(self, name: str, function: Callable[..., Any], *args: Any) -> Call:
        return Call(
            function=function,
            args=(*args, "cuda" if self._gpus else "cpu"),
            name=name,
            num_cpus=self.config.cpus_per_worker,
            num_gpus=self._gpus,
            timeout_s=self.config.deadline_s,
        )
