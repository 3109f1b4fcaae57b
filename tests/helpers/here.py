"""A backend of jobs without Ray: every call runs in this process, when somebody waits for it."""

from collections.abc import Collection, Mapping
from typing import Any

from itportrait.execution.executor import Call
from itportrait.training.domain_job import DomainJob, TrainConfig
from itportrait.training.here import adapt_here
from itportrait.training.trained_domain import TrainedDomain


class HereExecutor:
    """Runs a call when it is waited for; limits of time cannot be kept in one's own process."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._ended: dict[int, tuple[Any, Exception | None]] = {}

    def submit(self, call: Call) -> int:
        """Keep a call for later."""
        self.calls.append(call)
        return len(self.calls) - 1

    def wait(self, tasks: Collection[int], timeout_s: float) -> int | None:
        """Run the first of the tasks unless one has ended already."""
        for task in tasks:
            if task not in self._ended:
                self._ended[task] = self._run(self.calls[task])
            return task
        return None

    def result(self, task: int) -> Any:
        """Return or raise what the call did."""
        result, error = self._ended[task]
        if error is not None:
            raise error
        return result

    def cancel(self, tasks: Collection[int]) -> None:
        """Nothing runs that could be ended."""

    @staticmethod
    def _run(call: Call) -> tuple[Any, Exception | None]:
        try:
            if call.room is not None:
                call.room.check()
            return call.function(*call.args), None
        except Exception as error:
            return None, error


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
