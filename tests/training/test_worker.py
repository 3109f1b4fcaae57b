"""A worker of a training without any trainer: its reports, checkpoints, resume and result."""

import pytest
import torch
from safetensors.torch import load

from itportrait.errors import ItportraitError
from itportrait.training.domain_job import DomainJob
from itportrait.training.files import read_result
from itportrait.training.here import adapt_here
from tests.helpers.small_training import Folders, small_training, work


@pytest.fixture
def job(tmp_path) -> DomainJob:
    return small_training(tmp_path)


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
