"""Run calls as Ray tasks, and translate how Ray says that a task was lost."""

import math
import socket
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import ray
from ray import exceptions as ray_errors
from ray.experimental import internal_kv
from ray.util.client import ray as ray_client
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from itportrait.errors import ItportraitError
from itportrait.execution.causes import (
    ClusterLostError,
    MemoryLostError,
    NodeLostError,
    ProcessLostError,
    TaskLostError,
    TimeLimitError,
)
from itportrait.execution.executor import Call
from itportrait.execution.watchdog import watchdog
from itportrait.io.memory import NoRoomError, Room
from itportrait.text import readable_errors

GPU_CALLS_PER_PROCESS = 16
"""Number of calls after which a process ends: an idle one keeps GPU memory that Ray counts as
free."""
HEAD_GONE_S = 30.0
"""Seconds without the cluster's head after which a job ends: after 60 s Ray aborts its process."""
_ARRIVAL_S = 0.5
"""Seconds until a task that was just submitted has reached its worker. A task that is canceled
earlier makes Ray abort this process ("Tried to complete task that was not pending", one stop in
fourteen)."""
_SETTLED_S = 2.0
"""Seconds until the memory of a process that was ended is free again."""
_LOOKED_S = 60.0
"""Longest wait, in seconds, for a process that looks for room."""
_MACHINE_WORDS = ("running low on memory", "node has died", "node was")
_LOSSES: tuple[tuple[tuple[type[Exception], ...], type[TaskLostError]], ...] = (
    ((ray_errors.OutOfMemoryError,), MemoryLostError),
    ((ray_errors.WorkerCrashedError, ray_errors.TaskCancelledError), ProcessLostError),
    (
        (
            ray_errors.NodeDiedError,
            ray_errors.ObjectLostError,
            ray_errors.ObjectStoreFullError,
            ray_errors.OutOfDiskError,
            ray_errors.RpcError,
            ray_errors.RuntimeEnvSetupError,
            ray_errors.RaySystemError,
        ),
        NodeLostError,
    ),
)
_OWN_LOSSES = (MemoryLostError, ProcessLostError, MemoryError)
"""Losses that may be caused by the call itself."""


@readable_errors()
def _run(call: Call, token: bytes | None) -> Any:
    if call.room is not None:
        call.room.check()
    if call.threads:  # Ray knows of cores alone, and gives one thread to a call that takes none
        import torch

        torch.set_num_threads(call.threads)
    if token is not None:
        internal_kv._internal_kv_put(token, ray.get_runtime_context().get_node_id().encode())
    if call.timeout_s is None:
        return call.function(*call.args)
    with watchdog(call.timeout_s):
        return call.function(*call.args)


@ray.remote(max_retries=0, num_cpus=0)
def _look_for_room(room: Room) -> None:
    deadline = time.monotonic() + _SETTLED_S
    while True:
        try:
            return room.check()
        except NoRoomError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


# Retries are the engine's business: it tells a flaky store from a poison record.
_run_on_cpu = ray.remote(max_retries=0)(_run)
_run_on_gpu = ray.remote(max_retries=0, max_calls=GPU_CALLS_PER_PROCESS)(_run)


@dataclass
class _Beginning:
    """When and where a call that asks for room began, as far as that is known here."""

    call: Call
    room: Room
    token: bytes = field(default_factory=lambda: f"itportrait began {uuid.uuid4().hex}".encode())
    """Key under which the call leaves the node on which it begins with the cluster's head."""
    not_before: float = field(default_factory=time.monotonic)
    node: str = ""

    def look(self) -> None:
        """Ask the cluster's head for the node, unless it is known."""
        now = time.monotonic()
        if not self.node:
            self.node = (internal_kv._internal_kv_get(self.token) or b"").decode()
        if not self.node:
            self.not_before = now

    @property
    def past_limit(self) -> bool:
        """Tell whether the call has run for as long as it may, or a moment less."""
        limit = self.call.timeout_s
        return limit is not None and time.monotonic() - self.not_before >= limit


class RayExecutor:
    """Runs calls on the Ray that this process is connected to.

    A call that asks for room leaves a word with the cluster's head once it has found it: whether
    memory was free when a task began, and since when it runs, is only known of those that did.
    """

    def __init__(self) -> None:
        self._beginnings: dict[ray.ObjectRef, _Beginning] = {}

    def submit(self, call: Call) -> ray.ObjectRef:
        """Start a call; see `Executor`."""
        remote = _run_on_gpu if call.num_gpus > 0 else _run_on_cpu
        options = {"num_cpus": call.num_cpus, "num_gpus": call.num_gpus, "name": call.name}
        if call.room is None:
            return remote.options(**options).remote(call, None)
        beginning = _Beginning(call, call.room)
        task = remote.options(**options).remote(call, beginning.token)
        self._beginnings[task] = beginning
        return task

    def wait(self, tasks: Collection[ray.ObjectRef], timeout_s: float) -> ray.ObjectRef | None:
        """Return a task that has ended; see `Executor`."""
        self._head.check()
        if not tasks:
            time.sleep(timeout_s)
            return None
        for beginning in self._beginnings.values():
            beginning.look()
        done, _ = ray.wait(list(tasks), num_returns=1, timeout=timeout_s, fetch_local=False)
        return done[0] if done else None

    def result(self, task: ray.ObjectRef) -> Any:
        """Return the result of a task; see `Executor`."""
        beginning = self._beginnings.pop(task, None)
        try:
            return ray.get(task)
        except ray_errors.LocalRayletDiedError as error:
            raise ClusterLostError(
                "Ray on this machine has ended (its raylet was killed or ran out of memory); what "
                "is committed stays, and the same command goes on from it"
            ) from error
        except Exception as error:
            loss = translate(error)
            if beginning is not None and isinstance(loss, _OWN_LOSSES):
                loss = _judged(loss, beginning)
            raise loss from error
        finally:
            if beginning is not None:
                internal_kv._internal_kv_del(beginning.token)

    def cancel(self, tasks: Collection[ray.ObjectRef]) -> None:
        """End tasks with their processes; see `Executor`."""
        if not tasks:
            return
        time.sleep(_ARRIVAL_S)
        for task in tasks:
            ray.cancel(task, force=True)

    @cached_property
    def _head(self) -> "_Head":
        if ray_client.is_connected():
            return _Head("")  # a proxy stands between, and tells of its own end
        return _Head(ray.get_runtime_context().gcs_address)


def _judged(loss: Exception, beginning: _Beginning) -> Exception:
    """Return what the loss of a call that asked for room means."""
    past_limit = beginning.past_limit
    beginning.look()
    if not beginning.node:
        return NoRoomError(f"its process ended before it could begin: {loss}")
    if beginning.call.trial and not _has_room(beginning):
        return NoRoomError(f"its node has too little memory free after it: {loss}")
    if past_limit and isinstance(loss, ProcessLostError):
        return TimeLimitError(f"it ran past its time limit: {loss}")
    return loss


def _has_room(beginning: _Beginning) -> bool:
    """Tell whether the node of a call that was lost has as much memory free as it asked for."""
    there = NodeAffinitySchedulingStrategy(beginning.node, soft=False)
    look = _look_for_room.options(name="look for room", scheduling_strategy=there)
    task = look.remote(beginning.room)
    try:
        ray.get(task, timeout=_LOOKED_S)
    except ray_errors.GetTimeoutError:
        ray.cancel(task, force=True)
        return False
    except ray_errors.RayError:  # there is none, or the node is gone by now
        return False
    return True


class _Head:
    """Watches that the cluster's head answers, by opening a connection every few seconds.

    Ray itself says nothing for 60 s, and then aborts the process that asked it anything. A head
    that cannot be reached from here even once is not watched.
    """

    def __init__(self, address: str, *, every_s: float = 5.0, gone_s: float = HEAD_GONE_S) -> None:
        host, _, port = address.rpartition(":")
        self.host, self.port = host.strip("[]"), int(port or 0)
        self.every_s, self.gone_s = every_s, gone_s
        self._asked = -math.inf
        self._answered = time.monotonic() if address else None
        self._reached = False

    def check(self) -> None:
        """Raise `ClusterLostError` once the head has been silent for too long."""
        now = time.monotonic()
        if self._answered is None or now - self._asked < self.every_s:
            return
        self._asked = now
        try:
            socket.create_connection((self.host, self.port), timeout=2.0).close()
        except OSError as error:
            silent = time.monotonic() - self._answered
            if self._reached and silent > self.gone_s:
                raise ClusterLostError(
                    f"the head of the Ray cluster, {self.host}:{self.port}, has not answered for "
                    f"{silent:.0f} s ({error}); what is committed stays: start the cluster, and "
                    "the same command goes on from it"
                ) from error
        else:
            self._answered, self._reached = time.monotonic(), True


def translate(error: Exception) -> Exception:
    """Return the meaning of an error of Ray: one of our losses, or what the function raised."""
    cause = getattr(error, "cause", None)
    if isinstance(error, ray_errors.RayTaskError) and isinstance(cause, Exception):
        return cause
    for kinds, loss in _LOSSES:
        if isinstance(error, kinds):
            return loss(describe(error))
    if isinstance(error, ray_errors.RayError):
        return ItportraitError(f"Ray: {describe(error)}")
    return error


def lost_with_machine(error: BaseException) -> bool:
    """Tell whether a training ended because nodes under its workers ran out of memory or were
    lost."""
    failures = getattr(error, "worker_failures", None) or {}
    found = [failure for failure in failures.values() if isinstance(failure, Exception)]
    return hasattr(error, "preemption_info") or any(
        isinstance(translate(failure), MemoryLostError | NodeLostError)
        or (isinstance(failure, ray_errors.RayActorError) and _blames_machine(failure))
        for failure in found
    )


def _blames_machine(error: ray_errors.RayActorError) -> bool:
    # Ray tells only in words what ended an actor.
    return error.preempted or any(text in str(error) for text in _MACHINE_WORDS)


def describe(error: Exception) -> str:
    """Return an error's kind and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
