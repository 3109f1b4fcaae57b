"""What a bank build computes with: trainings and scores on Ray, as many at once as fit."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ray

from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call
from itportrait.jobs.bank.scores import ScoreJob, Scores, score_job
from itportrait.jobs.domain_job import DomainJob, TrainConfig
from itportrait.jobs.trained_domain import TrainedDomain
from itportrait.jobs.training_pool import TrainingPool, gpus_per_worker
from itportrait.on_ray.tasks import RayExecutor
from itportrait.on_ray.trainers import train_domain


class RayEngine:
    """Ray Train for trainings, a task for scores.

    A domain keeps its place from training to publication: its score then runs on the resources that
    its own training has just given back, and cannot wait behind the next training.

    Args:
        train: resources, retries and deadline of a domain.
        storage: folder or URI of checkpoints that all workers reach.
    """

    def __init__(self, train: TrainConfig, storage: str) -> None:
        self.config, self.storage = train, storage
        resources = ray.cluster_resources()
        self._pool = TrainingPool(
            train, cores=resources.get("CPU", 1), gpus=resources.get("GPU", 0)
        )
        self._gpus = min(gpus_per_worker(train, resources.get("GPU", 0)), 1.0)

    @property
    def limit(self) -> int:
        """Domains at once."""
        return self._pool.limit

    def submit(self, function: Callable[[], Any], name: str) -> Future:
        """Run a function in a thread when there is room."""
        return self._pool.submit(function, name)

    def train(self, job: DomainJob) -> TrainedDomain:
        """Train one domain; see `train_domain`."""
        return train_domain(job, self.config, storage=self.storage)

    def score(self, job: ScoreJob) -> Scores:
        """Score in a task; a lost process or node is tried again, and memory is waited for."""
        call = Call(
            function=score_job,
            args=(job, "cuda" if self._gpus else "cpu"),
            name=f"score {job.spec.name}",
            num_cpus=self.config.cpus_per_worker,
            num_gpus=self._gpus,
            timeout_s=self.config.deadline_s,
        )
        return run_patiently(RayExecutor(), call)
