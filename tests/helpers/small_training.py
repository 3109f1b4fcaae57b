"""A training of two steps on the tiny bundle, and folders for its checkpoints."""

from pathlib import Path
from typing import Any

from itportrait.adapt import AdaptConfig, DomainSpec
from itportrait.align.config import AlignConfig
from itportrait.bundle import load_bundle
from itportrait.training.domain_job import DomainJob
from itportrait.training.files import load_state
from itportrait.training.worker import TrainingWorker
from tests.helpers.tiny_folder import write_tiny_bundle


class Folders:
    """Keeps every checkpoint in a folder of its own, and may end the training after some."""

    def __init__(self, root: Path, *, stop_after: int = 99, last: Path | None = None) -> None:
        self.root, self.stop_after, self.last = root, stop_after, last
        self.reported: list[dict] = []

    def load(self):
        return load_state(self.last) if self.last else None

    def report(self, metrics, save) -> None:
        if len(self.reported) >= self.stop_after:
            raise InterruptedError("the machine is taken away")
        self.reported.append(metrics)
        if save is not None:
            self.last = self.root / f"{len(self.reported):03d}"
            self.last.mkdir(parents=True)
            save(self.last)


def small_training(tmp_path: Path) -> DomainJob:
    """Return a training whose bundle is written."""
    write_tiny_bundle(tmp_path / "bundle")
    small = {"probe": {"count": 2, "every": 1}, "ite": {"batch": 1, "views": {"yaw_b": []}}}
    spec = {"name": "bronze", "mode": "text", "prompt": "bronze", "steps": 2}
    return DomainJob.of(
        DomainSpec.parse(spec),
        bundle=str(tmp_path / "bundle"),
        adapt=AdaptConfig.parse(small),
        align=AlignConfig(),
        model_id=load_bundle(tmp_path / "bundle").model_id,
    )


def work(
    job: DomainJob,
    checkpoints: Folders,
    rank: int = 0,
    deadline_s: float = 600.0,
    **more: Any,
) -> None:
    """Work as one of its workers."""
    TrainingWorker(
        job=job,
        rank=rank,
        device="cpu",
        workers=None,
        checkpoints=checkpoints,
        deadline_s=deadline_s,
        **more,
    ).run()
