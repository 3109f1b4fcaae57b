"""What a comparison computes with: adaptations and tasks of scores, as many at once as fit."""

import threading
from collections import defaultdict

from itportrait.comparison.config import ComparisonConfig
from itportrait.comparison.scoring import CellJob, CellScores, finish_cell, score_part
from itportrait.comparison.style_store import StoredStyle, StyleStore
from itportrait.errors import ItportraitError
from itportrait.execution.causes import Cause
from itportrait.execution.errands import ErrandLimits, Errands, GivenUp
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.backend import Backend
from itportrait.jobs.bank.compute import BackendCompute, Show
from itportrait.training.domain_job import DomainJob
from itportrait.training.in_task import adapt_in_task
from itportrait.training.trained_domain import TrainedDomain


class CellCompute(BackendCompute):
    """Adapts and scores the cells of a comparison on a backend; see `BackendCompute`.

    Args:
        backend: what runs them.
        config: of the comparison.
        storage: folder or URI of checkpoints that all workers reach.
        show: see `BackendCompute`.
    """

    def __init__(
        self,
        backend: Backend,
        config: ComparisonConfig,
        storage: str,
        *,
        show: Show = lambda name, text, share: None,
    ) -> None:
        super().__init__(backend, config.train, storage, show=show)
        self.in_tasks = config.adaptation == "tasks"
        self.styles = StyleStore(config.output)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def style(self, job: DomainJob, lease: Lease) -> StoredStyle:
        """Return the style of an adaptation, which runs unless it has; blocks.

        Cells that ask for the same adaptation wait for the first of them.

        Raises:
            LeaseHeldError: another job has taken the output over; nothing is kept.
            ItportraitError: the adaptation failed for good; says why.
        """
        self.says("waiting for the same adaptation")
        with self._locks[job.run_name]:
            stored = self.styles.find(job.run_name)
            if stored is None:
                adapted = self._adapted_in_task(job) if self.in_tasks else self.train(job)
                lease.check()
                stored = self.styles.put(adapted)
            # A run that was killed here has left it, though its style stands.
            uris.remove(uris.join(self.storage, job.run_name), recursive=True)
            return stored

    def _adapted_in_task(self, job: DomainJob) -> TrainedDomain:
        with self.watched(job):
            return self.run(f"adapt {job.spec.name}", adapt_in_task, job, self.storage)

    def score_cell(self, job: CellJob, lease: Lease) -> CellScores:
        """Score a cell: all its parts, as far as they do not stand, and then all together.

        Raises:
            LeaseHeldError: another job has taken the output over; the cell is not marked.
            ItportraitError: a task was lost again and again, or a style cannot be used; says why.
            OSError: storage failed again and again.
        """
        calls = [
            (shard, self._call(f"score {job.cell}", score_part, job, shard))
            for shard in job.portraits.shards
        ]
        limits = ErrandLimits(in_flight=max(int(self.backend.cores), 1))
        self.says("scoring")
        for shard, result in Errands(self.backend.executor(), limits).run(calls):
            if isinstance(result, GivenUp):
                if result.cause is Cause.STORAGE:
                    raise result.error
                raise ItportraitError(
                    f"portraits of shard {shard} could not be stylized: the process of their task "
                    f"was lost again and again ({uris.redact(str(result.error))})"
                ) from result.error
        lease.check()
        return self.run(f"score {job.cell}", finish_cell, job)
