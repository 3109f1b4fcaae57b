"""How commands end: exit codes, and one sentence on standard error for every foreseen error."""

import sys
from collections.abc import Callable

from itportrait.errors import ItportraitError, LeaseHeldError
from itportrait.interrupts import (
    CLEAR,
    EXIT_STOPPED,
    SHOW_CURSOR,
    Interrupts,
    raised_interrupts,
)
from itportrait.terminal import take_all_away
from itportrait.text import show_any_text

EXIT_FAILED = 1
"""Exit code of a job that ran to its end, but failed for some domains."""
EXIT_USAGE = 2
"""Exit code of a wrong call, a wrong configuration, or storage that does not work."""
EXIT_BUSY = 75
"""Exit code where another job holds the output."""
STOPPED = "stopped; what is committed stays, and the same command goes on"
"""What a job says that was stopped by Ctrl-C."""


def run_job(job: Callable[[], int]) -> int:
    """Run a job and return its exit code; an error that was foreseen is one sentence."""
    show_any_text()
    interrupts = Interrupts()
    try:
        with raised_interrupts() as interrupts:
            return job()
    except LeaseHeldError as error:
        print(error, file=sys.stderr)
        return EXIT_BUSY
    except (Exception, KeyboardInterrupt) as error:
        if (code := tell_end(error, interrupts)) is None:
            raise
        return code


def tell_end(error: Exception | KeyboardInterrupt, interrupts: Interrupts) -> int | None:
    """Say in one line why a program ends, and return its exit code; None: nobody foresaw it.

    Args:
        error: that ends it.
        interrupts: of the time in which it came.
    """
    if isinstance(error, KeyboardInterrupt):
        say_stopped()
        return EXIT_STOPPED
    if interrupts.pressed:  # native modules make an error of their own of it
        say_stopped(error)
        return EXIT_STOPPED
    if (text := sentence(error)) is None:
        return None
    print(text, file=sys.stderr)
    return EXIT_USAGE


def say_stopped(error: Exception | None = None) -> None:
    """Say that Ctrl-C has stopped the program, in the only line that is left on the terminal.

    Args:
        error: that came just after it. One of this package is said as well, since it may be true.
    """
    take_all_away()
    # In place of the ^C that the keys have left; what moved there may have hidden the cursor.
    start = f"{SHOW_CURSOR}{CLEAR}" if sys.stderr.isatty() else ""
    if isinstance(error, ItportraitError):
        print(f"{start}{sentence(error)}", file=sys.stderr)
    print(f"{start}{STOPPED}", file=sys.stderr, flush=True)


def sentence(error: Exception) -> str | None:
    """Return the line that tells people of an error that was foreseen; None for any other."""
    if isinstance(error, ItportraitError):
        return f"error: {error}"
    from itportrait.io.stores import as_os_error, sentence_of

    told = error if isinstance(error, OSError) else as_os_error(error, "")
    if told is None:
        return None
    return f"error: {told if isinstance(told, ItportraitError) else sentence_of(told)}"
