"""A time limit that ends its own process: for native code that hangs."""

import contextlib
import faulthandler
import sys
from collections.abc import Generator


@contextlib.contextmanager
def watchdog(timeout_s: float) -> Generator[None]:
    """End this process if the block takes longer: native code that hangs heeds nothing else.

    The clock starts with the task and not with its place in a queue, and no change of the wall
    clock moves it.
    """
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
