"""Verdicts on records that no task can compute: their kinds, and those that do not hold any
longer.

Earlier releases also gave up records whose process had been ended for the memory of its node, or
lost together with the node. That says nothing about a record: such rows are computed again.
"""

from itportrait.io.commits import Commit, StageTable
from itportrait.records import RecordError

PROCESS_LOST, TIMED_OUT, MEMORY_LOST = "WorkerLost", "TimedOut", "OutOfMemory"
"""Kinds of errors of records that end their process, run too long, or need too much memory."""
ALONE = "alone in its process, with nothing beside it and memory to spare,"
"""Beginning of the messages of verdicts."""
_NO_VERDICT = (
    "OutOfMemoryError",
    "MemoryError",
    "NodeDiedError",
    "LocalRayletDiedError",
    "ObjectLostError",
    "OwnerDiedError",
)


def holds(kind: str, message: str) -> bool:
    """Tell whether the error of a record may stand, as far as verdicts go."""
    if kind not in (PROCESS_LOST, TIMED_OUT) or message.startswith(ALONE):
        return True
    return not any(name in message for name in _NO_VERDICT)


def row_holds(error: RecordError | None) -> bool:
    """Tell whether a row may be kept, as far as verdicts go."""
    return error is None or holds(error.type, error.message)


def all_hold(table: StageTable, commit: Commit) -> bool:
    """Tell whether all rows of a commit may be kept; only a commit with such verdicts is read.

    Raises:
        OSError: its rows cannot be read.
    """
    if not {PROCESS_LOST, TIMED_OUT} & commit.reasons.keys() or "records" not in commit.files:
        return True
    errors = (row["error"] for row in table.read_columns(commit, ["error"]))
    return all(holds(error["type"], error["message"]) for error in errors if error)
