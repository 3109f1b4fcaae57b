"""How commands end: exit codes, and one sentence on standard error for every foreseen error."""

import sys
from collections.abc import Callable

from itportrait.errors import ItportraitError, LeaseHeldError
from itportrait.text import show_any_text

EXIT_FAILED = 1
"""Exit code of a job that ran to its end, but failed for some domains."""
EXIT_USAGE = 2
"""Exit code of a wrong call, a wrong configuration, or storage that does not work."""
EXIT_BUSY = 75
"""Exit code where another job holds the output."""
EXIT_STOPPED = 130
"""Exit code of a job that was stopped by Ctrl-C."""


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
