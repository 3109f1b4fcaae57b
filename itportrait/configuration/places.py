"""Where runs are kept, and places that would be lost with a job: they are refused.

Under `ray job submit` the working folder is a temporary copy of the checkout, one on each node:
what is written below it is lost when the job ends.
"""

import os
import re
from collections.abc import Mapping

from itportrait.errors import InvalidArgumentError
from itportrait.io import uris

_SQLITE = re.compile(r"sqlite:///(.+)")


def runs_folder() -> str:
    """Return where runs are kept: `$ITPORTRAIT_RUNS`, or `runs` below the working folder."""
    return uris.absolute(os.environ.get("ITPORTRAIT_RUNS") or "runs")


def refuse_temporary(places: Mapping[str, str]) -> None:
    """Refuse places in Ray's temporary copy of a submitted checkout.

    What is only read while the job starts (configuration, reference pictures) may lie there.

    Args:
        places: URIs by the option or key that gave them; also `sqlite:///` ones of MLflow.

    Raises:
        InvalidArgumentError: one lies there; names it and the remedy.
    """
    for name, uri in places.items():
        path = local_place(uri)
        if path is not None and uris.is_temporary_copy(path):
            raise InvalidArgumentError(
                name,
                expected="a place that outlasts the job",
                actual=f"{uris.redact(uri)!r}, in Ray's temporary copy of the submitted checkout",
                remedy="give a URI, or an absolute path that all nodes share; relative paths and "
                "{runs} are taken from that copy (ITPORTRAIT_RUNS in the job's env_vars moves "
                "{runs})",
            )


def local_place(uri: str) -> str | None:
    """Return the absolute path of a local place, or None where it is none."""
    if match := _SQLITE.match(uri):
        return uris.local_path(match[1])
    return uris.local_path(uri) if uri and uris.is_local(uri) and uri != "none" else None
