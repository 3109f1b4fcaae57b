"""What the end of a task means for its records, judged apart from whatever ran the task.

An executor tells how a task was lost with the exceptions of this module. A process that was ended
for the memory of its node, or lost with the node, says nothing about the record in it.
"""

from enum import StrEnum, auto

from itportrait.errors import ItportraitError
from itportrait.io.memory import NoRoomError
from itportrait.stages.items import UpstreamDamagedError

STORAGE_ERRORS = (OSError, ConnectionError, TimeoutError)


class TaskLostError(Exception):
    """A task ended without a result and without an exception of its own; the base of the kinds."""


class ProcessLostError(TaskLostError):
    """The process of a task ended: by a signal, or by its own exit."""


class TimeLimitError(ProcessLostError):
    """The process of a task ran past its time limit and was ended."""


class MemoryLostError(TaskLostError):
    """The process of a task was ended because its node was short of memory."""


class NodeLostError(TaskLostError):
    """The node of a task is gone, or the program that runs tasks there."""


class ClusterLostError(ItportraitError):
    """Nothing can run any more: the cluster's head, or this machine's part of it, is gone."""


class Cause(StrEnum):
    """Why a task ended without a result."""

    FATAL = auto()
    """An error was raised on purpose, or is a defect; no retry can mend it."""
    UPSTREAM = auto()
    """The files that an earlier stage committed are missing or damaged."""
    STORAGE = auto()
    """Storage failed, which may pass."""
    NO_ROOM = auto()
    """The task did not begin, because its node had too little memory free."""
    MEMORY = auto()
    """The task ran out of memory, by itself or beside others."""
    NODE = auto()
    """The node of the task was lost."""
    TIME = auto()
    """The process ran past its time limit; one of its records may be the reason."""
    CRASH = auto()
    """The process was lost; one of its records may be the reason."""


def judge(error: BaseException) -> Cause:
    """Return what an exception of a task, or of the executor that ran it, means."""
    if isinstance(error, ItportraitError):
        return Cause.FATAL
    for kinds, cause in _CAUSES:
        if isinstance(error, kinds):
            return cause
    return Cause.FATAL


_CAUSES = (
    (UpstreamDamagedError, Cause.UPSTREAM),
    (NoRoomError, Cause.NO_ROOM),
    ((MemoryLostError, MemoryError), Cause.MEMORY),
    (NodeLostError, Cause.NODE),
    (TimeLimitError, Cause.TIME),
    (ProcessLostError, Cause.CRASH),
    (STORAGE_ERRORS, Cause.STORAGE),
)
