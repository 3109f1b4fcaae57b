"""An executor that runs calls in this very process, one after the other: the command line's."""

import time
from collections.abc import Collection
from typing import Any

from itportrait.execution.executor import Call


class InProcessExecutor:
    """Runs a call when it is waited for; see `Executor`.

    It cannot do what takes another process: a call runs as long as it takes, whatever its time
    limit, and what ends its process ends this one. Room is not asked for either, since nothing runs
    beside a call that could give memory back.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, Call] = {}
        self._ended: dict[int, tuple[Any, Exception | None]] = {}
        self._submitted = 0

    def submit(self, call: Call) -> int:
        """Keep a call until it is waited for."""
        self._submitted += 1
        self._waiting[self._submitted] = call
        return self._submitted

    def wait(self, tasks: Collection[int], timeout_s: float) -> int | None:
        """Return a task that has ended; where none has, run the first one, however long it takes.

        Without tasks it only waits.
        """
        if not tasks:
            time.sleep(timeout_s)
            return None
        ended = next((task for task in tasks if task in self._ended), None)
        if ended is not None:
            return ended
        task = next(iter(tasks))
        call = self._waiting.pop(task)
        try:
            self._ended[task] = call.function(*call.args), None
        except Exception as error:
            self._ended[task] = None, error
        return task

    def result(self, task: int) -> Any:
        """Return what a call returned, or raise what it raised."""
        result, error = self._ended.pop(task)
        if error is not None:
            raise error
        return result

    def cancel(self, tasks: Collection[int]) -> None:
        """Forget calls that have not run."""
        for task in tasks:
            self._waiting.pop(task, None)
