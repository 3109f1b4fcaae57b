"""How commands end: exit codes, and one sentence on standard error for everything foreseen."""

import sys
from collections.abc import Callable

from itportrait.errors import ItportraitError, LeaseHeldError
from itportrait.text import show_any_text

EXIT_FAILED = 1
"""The job ran to its end, but not for every domain."""
EXIT_USAGE = 2
"""The call, the configuration or the storage is wrong."""
EXIT_BUSY = 75
"""Another job holds the output."""
EXIT_STOPPED = 130
"""Stopped by Ctrl-C."""


def run_job(job: Callable[[], int]) -> int:
    """Run a job and return its exit code; an error that was foreseen is one sentence."""
    show_any_text()
    try:
        return job()
    except LeaseHeldError as error:
        print(error, file=sys.stderr)
        return EXIT_BUSY
    except (ItportraitError, OSError) as error:
        print(sentence(error), file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("stopped; what is committed stays, and the same command goes on", file=sys.stderr)
        return EXIT_STOPPED


def sentence(error: ItportraitError | OSError) -> str:
    """Return the line that tells people of an error that was foreseen."""
    if isinstance(error, ItportraitError):
        return f"error: {error}"
    from itportrait.io.uris import sentence_of

    return f"error: {sentence_of(error)}"
