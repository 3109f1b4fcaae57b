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
_LINE = "stopped; nothing was begun, and the same command starts again\n"


def end_quietly(line: str = _LINE) -> None:
    """Let Ctrl-C end this process at once from here on, with one line."""
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.write(2, line.encode())
        os._exit(EXIT_STOPPED)

    signal.signal(signal.SIGINT, end)


@contextlib.contextmanager
def raised_interrupts() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in the block, and be what it was after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
