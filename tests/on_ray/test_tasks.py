"""Ray's own errors, told apart: what the machine did, and what the function did."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from ray import exceptions as ray_errors
from ray.train.v2.api.exceptions import WorkerGroupError

from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.execution.causes import (
    Cause,
    ClusterLostError,
    MemoryLostError,
    NodeLostError,
    ProcessLostError,
    TimeLimitError,
    judge,
)
from itportrait.execution.executor import Call
from itportrait.io.memory import NoRoomError, Room
from itportrait.on_ray.tasks import RayExecutor, _Head, _run, lost_with_machine, translate
from itportrait.training.patience import fit_patiently

NO_MEMORY = "Task was killed due to the node running low on memory."


def died(text: str) -> ray_errors.ActorDiedError:
    error = ray_errors.ActorDiedError()
    error.error_msg = text
    return error


@pytest.mark.parametrize(
    ("error", "kind", "cause"),
    [
        (ray_errors.OutOfMemoryError(NO_MEMORY), MemoryLostError, Cause.MEMORY),
        (ray_errors.WorkerCrashedError(), ProcessLostError, Cause.CRASH),
        (ray_errors.TaskCancelledError(), ProcessLostError, Cause.CRASH),
        (ray_errors.NodeDiedError("gone"), NodeLostError, Cause.NODE),
        (ray_errors.ObjectLostError("00", None, ""), NodeLostError, Cause.NODE),
        (ray_errors.OutOfDiskError("full"), NodeLostError, Cause.NODE),
        (ray_errors.PendingCallsLimitExceeded("x"), ItportraitError, Cause.FATAL),
        (ConnectionError("hung up"), ConnectionError, Cause.STORAGE),
        (KeyError("a defect"), KeyError, Cause.FATAL),
        (MemoryError("no memory"), MemoryError, Cause.MEMORY),
        (NoRoomError("none free"), NoRoomError, Cause.NO_ROOM),
    ],
)
def test_every_error_has_one_meaning(error, kind, cause):
    translated = translate(error)
    assert type(translated) is kind
    assert "\n" not in str(translated)
    assert judge(translated) is cause


def number(value: int) -> int:
    if value < 0:
        raise InvalidArgumentError("value", expected="a number from 0", actual=value)
    if value > 99:
        raise MemoryError("too large")
    return value


def test_a_call_that_takes_no_cores_computes_with_the_threads_that_it_says():
    before = torch.get_num_threads()
    try:
        for threads in (3, 2):
            call = Call(function=torch.get_num_threads, num_cpus=0, num_gpus=0.5, threads=threads)
            assert _run(call, None) == threads
    finally:
        torch.set_num_threads(before)


def run(call: Call):
    executor = RayExecutor()
    task = executor.submit(call)
    while executor.wait([task], 1.0) is None:
        pass
    return executor.result(task)


def test_calls_on_ray_give_results_and_raise_what_they_raised(ray_cluster):
    assert run(Call(function=number, args=(7,), name="seven")) == 7
    with pytest.raises(InvalidArgumentError, match="from 0, got -1"):
        run(Call(function=number, args=(-1,)))
    with pytest.raises(MemoryError, match="too large"):
        run(Call(function=number, args=(100,)))
    with pytest.raises(NoRoomError, match="were asked for"):
        run(Call(function=number, args=(7,), room=Room(share=1.0, most=2**60)))


@dataclass(frozen=True)
class Taken(Room):
    """Room that is gone for good once a file is there."""

    file: str = ""

    def check(self) -> None:
        if Path(self.file).exists():
            raise NoRoomError("somebody has taken it")


def end_as(how: str, file: str) -> None:
    if "taken" in how:
        Path(file).touch()
    if "hangs" in how:
        time.sleep(600)
    if "killed" in how:
        os.kill(os.getpid(), 9)
    raise MemoryError("no memory")


@pytest.mark.parametrize(
    ("how", "trial", "error", "cause"),
    [
        ("killed", True, ProcessLostError, Cause.CRASH),
        ("raises", True, MemoryError, Cause.MEMORY),
        ("hangs", True, TimeLimitError, Cause.TIME),
        ("killed, taken", True, NoRoomError, Cause.NO_ROOM),
        ("raises, taken", True, NoRoomError, Cause.NO_ROOM),
        ("killed, taken", False, ProcessLostError, Cause.CRASH),
    ],
)
def test_loss_of_a_trial_counts_if_there_is_room_after_it(
    ray_cluster, tmp_path, how, trial, error, cause
):
    file = str(tmp_path / "taken")
    room = Taken(share=0.0, most=0, file=file)
    with pytest.raises(error) as caught:
        run(Call(function=end_as, args=(how, file), timeout_s=5.0, room=room, trial=trial))
    assert type(caught.value) is error
    assert judge(caught.value) is cause


def test_head_that_goes_silent_is_told_and_one_never_reached_is_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        reached, never = (_Head(address, every_s=0.0, gone_s=0.0) for _ in range(2))
        reached.check()
    with pytest.raises(ClusterLostError, match=f"{address}, has not answered"):
        reached.check()
    never.check()
    _Head("").check()


@pytest.mark.parametrize(
    ("error", "machine"),
    [
        (WorkerGroupError("", {0: died("The actor died because its node has died.")}), True),
        (WorkerGroupError("", {1: died(NO_MEMORY)}), True),
        (WorkerGroupError("", {0: ray_errors.OutOfMemoryError(NO_MEMORY)}), True),
        (WorkerGroupError("", {0: died("The process received SIGSEGV.")}), False),
        (WorkerGroupError("", {0: ValueError("a defect")}), False),
        (RuntimeError("a defect"), False),
    ],
)
def test_training_is_run_again_where_the_machine_ended_it(error, machine):
    assert lost_with_machine(error) is machine
    ends, pauses = [error, error], []

    def fit() -> str:
        if ends:
            raise ends.pop()
        return "trained"

    if not machine:
        with pytest.raises(type(error)):
            fit_patiently(fit, lost_with_machine, deadline_s=3600, sleep=pauses.append)
        assert pauses == []
        return
    assert fit_patiently(fit, lost_with_machine, deadline_s=3600, sleep=pauses.append) == "trained"
    assert pauses == [15.0, 30.0]


def test_training_is_not_run_again_past_its_deadline():
    def fit():
        raise WorkerGroupError("", {0: died(NO_MEMORY)})

    with pytest.raises(WorkerGroupError):
        fit_patiently(fit, lost_with_machine, deadline_s=10)
