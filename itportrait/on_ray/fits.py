"""Trainings in flight in threads of this process, which are to be left before Ray ends.

Whatever asks Ray for something after it was shut down ends the whole process at once, from C++,
with exit code 1 and a line of its own. A thread in the middle of a training does so in Ray's code.
"""

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator

_PAUSE_S = 0.02

_threads: set[int] = set()
"""Identifiers of the threads within a `fitting` block."""


class RayEndsError(BaseException):
    """Raised within a training whose Ray is about to end; like SystemExit, it is no failure."""


@contextlib.contextmanager
def fitting() -> Iterator[None]:
    """Say that this thread asks Ray for something until the end of the block."""
    own = threading.get_ident()
    _threads.add(own)
    try:
        yield
    finally:
        _threads.discard(own)


def leave_fits(patience_s: float) -> None:
    """Have every other thread leave its `fitting` block, by raising `RayEndsError` in it.

    A thread that waits in Ray hears of it when that wait is over, which Ray's end makes it. What
    handles the error of that wait may run before.

    Args:
        patience_s: how long to wait for threads that are on their way out.
    """
    end, told = time.monotonic() + patience_s, set[int]()
    while left := _threads - {threading.get_ident()}:
        for ident in left - told:
            error = ctypes.py_object(RayEndsError)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), error)
            told.add(ident)
        if time.monotonic() > end:
            return
        time.sleep(_PAUSE_S)
