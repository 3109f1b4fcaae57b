"""Inputs that could not be listed or read: each is a source, so that it becomes a failed row."""

from typing import Any

from itportrait.errors import ItportraitError
from itportrait.io.uris import redact
from itportrait.records import RecordError, Source

STAGE = "ingest"
UNLISTED = "unlisted"
"""Reason of an archive, table, list or folder that cannot be listed, at least in part; how many
inputs it holds is unknown."""
STORAGE = "storage"
"""Reason of a single input whose bytes are known to be unreadable."""
DECODE = "decode"
"""Reason of a single input of which bytes are missing."""
BAD_COLUMNS = "bad_columns"
"""Reason of a single input whose landmarks, crop, camera or name are malformed."""


def faulty(uri: str, reason: str, message: str, version: str = "", **place: Any) -> Source:
    """Return the source that stands for an input with a fault.

    Args:
        uri: of the input, or of the archive, table, list or folder.
        reason: one of this module's.
        message: a sentence; credentials in it are left out.
        version: what changes when the input is mended, so that a later run looks at it again.
        place: container and span, where those are known.
    """
    error = RecordError(STAGE, reason, redact(message))
    return Source(uri=uri, version=version, fault=error, **place)


def unlisted(uri: str, error: Exception, version: str = "") -> Source:
    """Return the source that stands for what an exception kept from being listed."""
    return faulty(uri, UNLISTED, sentence_of(uri, error), version)


def reason_of(error: BaseException) -> str:
    """Return what an exception says, on one line, without credentials."""
    text = str(error) or type(error).__name__
    return redact(" ".join(text.split()))


def sentence_of(uri: str, error: Exception) -> str:
    """Return what an exception says about an input, without credentials."""
    if isinstance(error, ItportraitError):
        return redact(str(error))
    reason = getattr(error, "strerror", None) or reason_of(error)
    if isinstance(error, FileNotFoundError):
        # Stores over the web say so of all that fails, and why in the cause.
        cause = "" if error.__cause__ is None else f" ({reason_of(error.__cause__)})"
        reason = f"there is no such file or folder{cause}"
    elif not isinstance(error, OSError):
        reason = f"{type(error).__name__}: {reason}"
    return f"cannot list {redact(uri)}: {reason}"
