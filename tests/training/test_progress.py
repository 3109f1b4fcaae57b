"""How far a training is: told by the process that trains, shown by the one that waits."""

import itertools
import threading
import time

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from itportrait.adapt import AdaptReport
from itportrait.io import uris
from itportrait.training import progress
from itportrait.training.in_task import adapt_in_task
from itportrait.training.progress import ProgressFile, StepClock, TrainingState, watched
from tests.helpers.small_training import Folders, small_training, work


@pytest.fixture
def job(tmp_path):
    return small_training(tmp_path)


def probe(style: float) -> AdaptReport:
    return AdaptReport(2, {"style": style}, [], False, dict)


def test_a_state_is_words_and_a_share():
    assert str(TrainingState(0, 80)) == "step 0 of at most 80"
    state = TrainingState(20, 80, 0.2314, 41.6)
    assert str(state) == "step 20 of at most 80, style 0.231, 42 s left at most"
    assert state.share == 0.25
    assert TrainingState(0, 0).share == 0.0


def test_the_time_that_is_left_is_that_of_the_steps_of_this_run(monkeypatch):
    now, told = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = StepClock(told.append)
    clock.step(10, 20)  # an earlier run has done ten
    now[0] += 8.0
    clock.step(12, 20)
    clock.probe(probe(0.5))
    clock.step(20, 20)
    assert told == [
        TrainingState(10, 20),
        TrainingState(12, 20, None, 32.0),
        TrainingState(20, 20, 0.5, 0.0),
    ]


@pytest.mark.parametrize("ways", ["worker", "task"])
def test_who_waits_sees_the_last_step_of_a_training_and_no_file_is_left(
    job, tmp_path, monkeypatch, ways
):
    monkeypatch.setattr(progress, "_LOCAL_S", 0.01)
    seen: list[TrainingState] = []
    storage = str(tmp_path / "storage")
    with watched(job, storage, seen.append):
        if ways == "task":
            adapt_in_task(job, storage, "cpu")
        else:
            work(job, Folders(tmp_path), on_progress=ProgressFile(storage, job).write)
        deadline = time.monotonic() + 10
        while (not seen or seen[-1].step < 2) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert (seen[-1].step, seen[-1].steps) == (2, 2)
    assert not list((tmp_path / "storage").rglob("progress.json"))
    assert not [thread for thread in threading.enumerate() if "progress" in thread.name]


def test_storage_that_fails_hides_the_progress_and_fails_no_training(job, tmp_path):
    (tmp_path / "storage").write_text("a file where a folder should be")
    file = ProgressFile(str(tmp_path / "storage"), job)
    file.write(TrainingState(1, 2))
    assert file.read() is None
    file.remove()


def test_it_is_not_written_more_often_than_people_read(job, tmp_path):
    file = ProgressFile(str(tmp_path / "storage"), job)
    for step in range(3):
        file.write(TrainingState(step, 3))
    assert file.read() == TrainingState(0, 3)


def test_a_store_that_is_away_is_asked_once_each_time_and_ever_more_rarely(
    job, tmp_path, monkeypatch
):
    now, tries = [100.0], []

    def away(path: str, data: bytes):
        tries.append(now[0])
        raise ConnectionError("the storage hung up")

    monkeypatch.setattr(uris, "_local_temporary", away)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    file = ProgressFile(str(tmp_path / "storage"), job)
    for step in range(300):
        file.write(TrainingState(step, 300))
        now[0] += 1.0
    pauses = [later - sooner for sooner, later in itertools.pairwise(tries)]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    monkeypatch.undo()
    file = ProgressFile(str(tmp_path / "storage"), job)
    file.write(TrainingState(1, 3))
    assert file.read() == TrainingState(1, 3)


def test_a_training_does_not_wait_for_a_store_that_takes_long(job, monkeypatch):
    begun, may_end, written = threading.Event(), threading.Event(), []

    def slow(store: MemoryFileSystem, path: str, data: bytes) -> None:
        begun.set()
        assert may_end.wait(10)
        written.append(path)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", slow)
    file = ProgressFile("memory://storage", job)
    for step in range(3):
        file.write(TrainingState(step, 3))
    assert begun.wait(10)
    assert not written
    may_end.set()
    deadline = time.monotonic() + 10
    while not written and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [path.endswith(f"{job.run_name}/progress.json") for path in written] == [True]
