"""The interface of what runs the jobs: its size, an executor, trainings, and counters."""

from collections.abc import Mapping
from typing import Protocol

from itportrait.execution.executor import Executor
from itportrait.training.domain_job import DomainJob, TrainConfig
from itportrait.training.trained_domain import TrainedDomain


class Backend(Protocol):
    """Runs a job's tasks and trainings; on Ray it is `on_ray.backend.RayBackend`."""

    @property
    def cores(self) -> float:
        """Number of cores of all machines together."""
        ...

    @property
    def gpus(self) -> float:
        """Number of GPUs of all machines together."""
        ...

    def executor(self) -> Executor:
        """Return an executor; users in different threads take one each."""
        ...

    def train(self, job: DomainJob, train: TrainConfig, *, storage: str) -> TrainedDomain:
        """Train one domain to its end, or go on with a training that was interrupted; blocks.

        Args:
            job: the domain.
            train: workers, retries, deadline.
            storage: folder or URI that all workers reach, for checkpoints.

        Raises:
            ItportraitError: the training failed for good; says why.
        """
        ...

    def count_shard(self, stage: str, counts: Mapping[str, int], seconds: float) -> None:
        """Count a committed shard for those who watch the job: rows by status, and seconds."""
        ...
