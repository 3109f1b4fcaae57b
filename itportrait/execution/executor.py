"""The interface of what runs tasks: hand one in, wait for an end, get its result.

The engine knows no more of Ray than this. `on_ray/tasks.py` has the executor on Ray and
`in_process.py` the one of the command line; the tests have one that simulates a cluster in its own
time.
"""

import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from itportrait.io.memory import Room


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function of an importable module, to be run in a process of the cluster.

    Args:
        function: what is run.
        args: its arguments.
        name: shown to people.
        num_cpus: cores that it takes.
        num_gpus: GPUs that it takes.
        threads: with which PyTorch computes in it; 0: as many as cores that it takes.
        timeout_s: seconds after which its process is ended; None: as long as it takes.
        room: memory that must be free on its node before it begins; None: any.
        trial: its loss shall say something about what it works on. It does so only if as much
            memory is free on its node after the loss as before it began: whoever else took memory
            meanwhile may be what ended it.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    name: str = ""
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    threads: int = 0
    timeout_s: float | None = None
    room: Room | None = None
    trial: bool = False


class Executor(Protocol):
    """Runs calls as tasks, which are known by hashable handles."""

    def submit(self, call: Call) -> Hashable:
        """Start a call as soon as there are cores for it; return the handle of its task."""
        ...

    def wait(self, tasks: Collection[Any], timeout_s: float) -> Hashable | None:
        """Return one of the tasks that has ended, or None if none does within the time.

        Without tasks it only waits.

        Raises:
            ClusterLostError: nothing can run any more.
        """
        ...

    def result(self, task: Any) -> Any:
        """Return the result of a task that has ended.

        Raises:
            TaskLostError: the task was lost; the kind tells how.
            NoRoomError: there was no room for it to begin, or none after a trial was lost.
            ClusterLostError: nothing can run any more.
            Exception: whatever the function raised, as it was raised.
        """
        ...

    def cancel(self, tasks: Collection[Any]) -> None:
        """End tasks together with their processes."""
        ...


class Clock(Protocol):
    """A source of time: the module `time`, or a simulated one."""

    def monotonic(self) -> float:
        """Return seconds that no change of the wall clock moves."""
        ...


SYSTEM_CLOCK: Clock = time
