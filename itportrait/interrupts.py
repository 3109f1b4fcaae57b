"""Ctrl-C while a program starts or ends: one line and exit code 130 in place of a traceback.

Nothing is imported here that takes time: programs call `end_quietly` before they import the rest.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_STOPPED = 130
"""Exit code of a program that was stopped by Ctrl-C."""
_STARTING = "stopped; nothing was begun, and the same command starts again\n"
_ENDING = "stopped while it ended; what is committed stays\n"


class _Ending:
    """Ends this process at once at Ctrl-C, with a line that is true by then."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # Within a flush that Ctrl-C has interrupted, another one is a RuntimeError.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.write(2, self.line.encode())
        os._exit(EXIT_STOPPED)


def end_quietly(line: str = _STARTING) -> None:
    """Let Ctrl-C end this process at once from here on, with one line."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _Ending(line))


@contextlib.contextmanager
def raised_interrupts() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in the block, and be what it was after it.

    Where it was to end a program that starts, it says after the block that the program was ending.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _Ending(_ENDING) if isinstance(former, _Ending) else former)
