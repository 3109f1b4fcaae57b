"""A worker of a training without any trainer: its reports, checkpoints, resume and result."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from itportrait.adapt import AdaptConfig, DomainSpec
from itportrait.align.config import AlignConfig
from itportrait.bundle import load_bundle
from itportrait.errors import ItportraitError
from itportrait.training.domain_job import DomainJob
from itportrait.training.files import load_state, read_result
from itportrait.training.here import adapt_here
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


@pytest.fixture
def job(tmp_path) -> DomainJob:
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


def work(job: DomainJob, checkpoints: Folders, rank: int = 0, deadline_s: float = 600.0) -> None:
    TrainingWorker(
        job=job,
        rank=rank,
        device="cpu",
        workers=None,
        checkpoints=checkpoints,
        deadline_s=deadline_s,
    ).run()


@pytest.mark.slow
def test_an_interrupted_training_goes_on_and_ends_as_the_uninterrupted_one(job, tmp_path):
    stopped = Folders(tmp_path / "stopped", stop_after=1)
    with pytest.raises(InterruptedError):
        work(job, stopped)
    assert stopped.last is not None
    with pytest.raises(ItportraitError, match="ended before its result was stored"):
        read_result(job, stopped.last)
    resumed = Folders(tmp_path / "resumed", last=stopped.last)
    work(job, resumed)
    assert resumed.last is not None
    assert [m["step"] for m in resumed.reported] == [2, resumed.reported[-1]["step"]]
    trained, whole = read_result(job, resumed.last), adapt_here(job, on_report=lambda report: None)
    one, other = (load(made.files["adapter.safetensors"]) for made in (trained, whole))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert trained.info["step"] == whole.info["step"]


@pytest.mark.slow
def test_only_the_first_worker_keeps_files(job, tmp_path):
    second = Folders(tmp_path / "second")
    work(job, second, rank=1)
    assert len(second.reported) == 3
    assert second.last is None
    with pytest.raises(TimeoutError, match="past its deadline"):
        work(job, second, deadline_s=0.0)
