"""Ray as what runs the jobs: tasks, Ray Train, and counters for Prometheus."""

from collections.abc import Mapping

import ray

from itportrait.on_ray.counters import count_shard
from itportrait.on_ray.tasks import RayExecutor
from itportrait.on_ray.trainers import train_domain
from itportrait.training.domain_job import DomainJob, TrainConfig
from itportrait.training.trained_domain import TrainedDomain


class RayBackend:
    """The Ray that this process is connected to; its size is taken when this is made."""

    def __init__(self) -> None:
        resources = ray.cluster_resources()
        self.cores: float = resources.get("CPU", 1.0)
        self.gpus: float = resources.get("GPU", 0.0)

    def executor(self) -> RayExecutor:
        """Return a new executor; see `Backend`."""
        return RayExecutor()

    def train(self, job: DomainJob, train: TrainConfig, *, storage: str) -> TrainedDomain:
        """Train one domain as a run of Ray Train; see `Backend`."""
        return train_domain(job, train, storage=storage)

    def count_shard(self, stage: str, counts: Mapping[str, int], seconds: float) -> None:
        """Count a committed shard; see `Backend`."""
        count_shard(stage, counts, seconds)
