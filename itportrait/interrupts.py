"""A program from its first moment on: a line while it starts, and Ctrl-C as one line and code 130.

Nothing is imported here that takes time: programs call `end_quietly` before they import the rest,
which takes seconds on a busy machine.
"""

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

EXIT_STOPPED = 130
"""Exit code of a program that was stopped by Ctrl-C."""
EXIT_LOST = 74
"""Exit code of a program whose output could not be written at its end (EX_IOERR)."""
_STARTING = "stopped; nothing was begun, and the same command starts again\n"
_ENDING = "stopped while it ended; what is committed stays\n"
_IMPATIENT = "stopped at once; what is committed stays, and the same command goes on\n"
_AWAKE_EVERY_S = 0.5
"""Seconds between two looks at whether Ctrl-C would still end a wait."""
_MADE_WITHIN_S = 10.0
"""Seconds after Ctrl-C in which an error may be made of it."""
_PATIENCE_S = 2.0
"""Seconds after the first Ctrl-C in which further ones are the same one."""
_COMPLETE = "_ITPORTRAIT_COMPLETE"
"""Set where a shell asks for completions (by typer)."""
CLEAR, SHOW_CURSOR = "\r\x1b[K", "\x1b[?25h"
"""What takes the line away in which the cursor stands, and what shows the cursor."""
_FIRST_S, _EVERY_S = 0.3, 0.5


class StartingLine:
    """A line on the terminal that moves while a program imports; without a terminal there is none.

    Args:
        text: of the line.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._end = threading.Event()
        self._lock = threading.RLock()  # Ctrl-C may come while the main thread holds it
        self._is_shown = False
        if os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb":
            threading.Thread(target=self._run, name="starting", daemon=True).start()

    def stop(self) -> None:
        """Take the line away; it does not come back."""
        self._end.set()
        with self._lock:
            self._clear()

    def _run(self) -> None:
        began, wait_s = time.monotonic(), _FIRST_S
        while not self._end.wait(wait_s):
            wait_s = _EVERY_S
            with self._lock:
                if self._end.is_set():
                    return
                line = f"\r{self.text} {int(time.monotonic() - began)} s"
                self._is_shown = True
                with contextlib.suppress(OSError):
                    os.write(2, line.encode())

    def _clear(self) -> None:
        if self._is_shown:
            self._is_shown = False
            with contextlib.suppress(OSError):
                os.write(2, CLEAR.encode())


_line: StartingLine | None = None


class _Ending:
    """Ends this process at once at Ctrl-C, with a line that is true by then."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __call__(self, number: int, frame: FrameType | None) -> None:
        _end_at_once(self.line)


class Interrupts:
    """Raises KeyboardInterrupt at Ctrl-C; ends this process if it is pressed again and again.

    What was done up to the first one is being put in order by then, which the hand that lies on the
    keys a moment longer shall not disturb.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        """When it was pressed first; None while it was not."""

    @property
    def pressed(self) -> bool:
        """Tell whether Ctrl-C was pressed just now: others may have made an error of it.

        An error that comes long after it, because the program went on, is one of its own.
        """
        return self.first is not None and time.monotonic() - self.first < _MADE_WITHIN_S

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = now
            raise KeyboardInterrupt
        if now - self.first > _PATIENCE_S:
            _end_at_once(_IMPATIENT)

    def come_again(self, lost: Any) -> None:
        """Raise again what Python has dropped, because an object was being deleted just then.

        Args:
            lost: what `sys.unraisablehook` is called with.
        """
        if lost.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(lost)
            return
        self.first = None
        again = threading.Timer(0.02, _thread.interrupt_main)
        again.daemon = True
        again.start()


def _end_at_once(line: str) -> None:
    if _line is not None:
        _line.stop()
    # Within a flush that Ctrl-C has interrupted, another one is a RuntimeError.
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        if os.isatty(2):  # what moves there has hidden the cursor, and left a line
            os.write(2, (CLEAR + SHOW_CURSOR).encode())
        os.write(2, line.encode())
    os._exit(EXIT_STOPPED)


def end_quietly(line: str = _STARTING, *, shown: str = "") -> None:
    """Let Ctrl-C end this process at once from here on, with one line.

    Args:
        line: what is said then.
        shown: what the terminal shows until `starting_ends` is called; "" for nothing. A shell
            that asks for completions has the line on which people type there, and shows nothing.
    """
    global _line
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _Ending(line))
    if shown and _COMPLETE not in os.environ:
        _line = StartingLine(shown)


def starting_ends() -> None:
    """Take away the line of a program that starts: from here on it shows what it does itself."""
    if _line is not None:
        _line.stop()


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Run the main function of a program and end the process with its exit code.

    What is registered for the end is done. That the interpreter takes all modules apart is left
    out: with torch it takes a second or two in which nothing is said, and no Ctrl-C answered.
    Output that cannot be written any more is a sentence and code 74, unless its reader has gone.
    """
    code: Any = None
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    if not isinstance(code, int | None):
        sys.exit(code)
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]  (waits for its threads)
    atexit._run_exitfuncs()
    lost = _flush()
    os._exit(code or lost)


def _flush() -> int:
    """Write what is still to be written; return 0, or `EXIT_LOST` if it cannot be, and say so."""
    code = 0
    for stream, name in ((sys.stdout, "output"), (sys.stderr, "error")):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError, AttributeError):
            continue  # nobody reads it any more, or it was closed, or there was never one
        except OSError as error:
            code = EXIT_LOST
            line = f"error: standard {name} cannot be written: {error.strerror}\n"
            with contextlib.suppress(OSError):
                os.write(2, line.encode())
    return code


@contextlib.contextmanager
def raised_interrupts() -> Iterator[Interrupts]:
    """Let Ctrl-C raise KeyboardInterrupt in the block, and be what it was after it.

    Where it was to end a program that starts, it says after the block that the program was ending.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    ended = threading.Event()
    threading.Thread(target=_end_waits, args=(ended,), name="interrupts", daemon=True).start()
    former_hook, sys.unraisablehook = sys.unraisablehook, interrupts.come_again
    former = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        ended.set()
        sys.unraisablehook = former_hook
        signal.signal(signal.SIGINT, _Ending(_ENDING) if isinstance(former, _Ending) else former)


def _end_waits(ended: threading.Event) -> None:
    """Keep Ctrl-C ending what the main thread waits for, whatever libraries set meanwhile.

    Polars, which Ray Train imports where it is installed, answers SIGINT before Python does, and
    has the system go on with a wait that was interrupted (SA_RESTART). Python would then hear of it
    only when the wait is over, which may be minutes later.
    """
    while not ended.wait(_AWAKE_EVERY_S):
        signal.siginterrupt(signal.SIGINT, True)
