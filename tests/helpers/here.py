"""A backend of jobs without Ray: every call runs in this process, when somebody waits for it."""

from collections.abc import Mapping

from itportrait.execution.executor import Call
from itportrait.execution.in_process import InProcessExecutor
from itportrait.training.domain_job import DomainJob, TrainConfig
from itportrait.training.here import adapt_here
from itportrait.training.trained_domain import TrainedDomain


class HereExecutor(InProcessExecutor):
    """Keeps the calls that it is given, to be read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def submit(self, call: Call) -> int:
        """Keep a call, and run it when it is waited for."""
        self.calls.append(call)
        return super().submit(call)


class HereBackend:
    """One core, no GPU; trainings without workers and checkpoints; counts are kept to be read."""

    cores, gpus = 1.0, 0.0

    def __init__(self) -> None:
        self.counted: list[tuple[str, dict[str, int]]] = []
        self.trained: list[str] = []

    def executor(self) -> HereExecutor:
        """Return a new executor."""
        return HereExecutor()

    def train(self, job: DomainJob, train: TrainConfig, *, storage: str) -> TrainedDomain:
        """Adapt in this process."""
        self.trained.append(job.spec.name)
        return adapt_here(job, on_report=lambda report: None)

    def count_shard(self, stage: str, counts: Mapping[str, int], seconds: float) -> None:
        """Keep what was counted."""
        self.counted.append((stage, dict(counts)))
