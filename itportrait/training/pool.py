"""Run several trainings at once, as many as fit; the others wait."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from itportrait.training.domain_job import TrainConfig


class TrainingPool:
    """Runs as many trainings at once as fit; the others wait for their turn.

    Args:
        train: resources of one.
        cores: of the cluster that trainings may use.
        gpus: of the cluster.
    """

    def __init__(self, train: TrainConfig, *, cores: float, gpus: float) -> None:
        fitting = int(cores // (train.num_workers * train.cpus_per_worker))
        per_worker = gpus_per_worker(train, gpus)
        if per_worker:
            fitting = min(fitting, int(gpus // (train.num_workers * per_worker)))
        self.limit = max(train.max_concurrent or fitting, 1)
        # Daemon threads: a training cannot be interrupted, and a stopped job must end within
        # seconds.
        self._slots = threading.Semaphore(self.limit)

    def submit(self, function: Callable[[], Any], name: str) -> Future:
        """Run a function when there is room; its result or error is in the future."""
        future: Future = Future()

        def run() -> None:
            with self._slots:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    future.set_result(function())
                except BaseException as error:
                    future.set_exception(error)

        threading.Thread(target=run, name=f"train {name}", daemon=True).start()
        return future


def gpus_per_worker(train: TrainConfig, gpus: float) -> float:
    """Return the GPUs of one worker: as set, or 1 where the cluster has any of its `gpus`."""
    if train.gpus_per_worker is not None:
        return train.gpus_per_worker
    return 1.0 if gpus >= 1 else 0.0
