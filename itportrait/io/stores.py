"""The stores behind URIs: the file system of each, and patience with what fails in passing."""

import contextlib
import errno
import functools
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from itportrait.errors import InvalidArgumentError, StoreRefusedError
from itportrait.io.addresses import local_path, redact, scheme

PAUSES_S = (0.25, 0.5, 1.0)
_PASSING = {errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT}
_PACKAGES = {
    "s3": "'itportrait[s3]'",
    "s3a": "'itportrait[s3]'",
    "gs": "'itportrait[gcs]'",
    "gcs": "'itportrait[gcs]'",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "sftp": "paramiko",
    "ssh": "paramiko",
}
"""What to install for a scheme whose package is missing."""
_KEYLESS = frozenset({"s3", "s3a", "gs", "gcs"})
"""Schemes whose URIs begin with a bucket, where others have a user and a host."""
_AWS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_GOOGLE = "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`"
_AZURE = (
    "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or "
    "AZURE_STORAGE_CONNECTION_STRING"
)
_CREDENTIALS = {
    "s3": _AWS,
    "s3a": _AWS,
    "gs": _GOOGLE,
    "gcs": _GOOGLE,
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
}
"""How credentials are given to the stores of a scheme."""
_LIBRARIES = (
    "aiobotocore.",
    "aiohttp.",
    "azure.",
    "botocore.",
    "gcsfs.",
    "google.api_core.",
    "google.auth.",
    "google.cloud.",
)
"""Packages whose errors are those of a store, though they are no `OSError`. Others of the namespace
`google` serve no store: a message of protobuf that cannot be read is a defect."""
_ABOUT_ACCESS = re.compile(r"(?i)credential|auth|token|profile|login|anonymous|denied|forbidden")
_NO_ACCESS = frozenset({401, 403})
_TOO_MANY = frozenset({408, 429})
_LONGEST_REASON = 300
_ABOUT_CONNECTION = re.compile(r"Connection|Connect|Timeout|HTTPClient|Transport")
_ABOUT_TRANSFER = re.compile(r"Payload|IncompleteRead|RetryError")
_CHAIN = re.compile(
    r"(zip|tar|libarchive|simplecache|filecache|blockcache|cached|reference|dir)(://|::)"
)
P = ParamSpec("P")
T = TypeVar("T")


def open_fs(uri: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a URI and the path inside it (absolute for local ones).

    Only methods that take names may be called with the path: `open`, `info`, `ls`, `find`, `walk`,
    `cat_file`, `cat_ranges`, `pipe_file`, `rm_file`. Others (`cat`, `rm`, `glob`, `expand_path`)
    read `*`, `?` and `[` as patterns.

    Raises:
        InvalidArgumentError: the protocol is unknown, or its package is not installed; the URI is
            a chain; the name is none that a store can hold.
    """
    name = scheme(uri)
    _check_name(uri, name)
    if not name:
        return LocalFileSystem(), local_path(uri)
    try:
        kind = fsspec.get_filesystem_class(name)
        fs = fsspec.filesystem(name, **kind._get_kwargs_from_urls(uri))
    except (ImportError, ValueError) as error:
        remedy = "use a path, s3://, gs:// or http(s)://"
        if isinstance(error, ImportError) and name in _PACKAGES:
            remedy = f"pip install {_PACKAGES[name]}"
        elif name in _CREDENTIALS:
            remedy = _CREDENTIALS[name]
        raise InvalidArgumentError(
            "URI",
            expected="one that can be opened",
            actual=f"{redact(uri)!r} ({redact(str(error))})",
            remedy=remedy,
        ) from None
    path = str(kind._strip_protocol(uri))
    # fsspec leaves the slash out where the name holds `::` or `://`, and then does not list it.
    return fs, path if name != "memory" else "/" + path.strip("/")


def _check_name(uri: str, name: str) -> None:
    """Refuse what no store can open, before a library of some store trips over it."""
    if _CHAIN.match(uri):
        raise InvalidArgumentError(
            "URI",
            expected="one place, not a chain of URLs through an archive or a cache",
            actual=repr(redact(uri)),
            remedy="unpack or copy the files first; a local path that begins like this needs ./ "
            "before it",
        )
    if "\0" in uri:
        raise InvalidArgumentError(
            "path", expected="a name without NUL", actual=repr(redact(uri)), remedy="mend the name"
        )
    if name and name != "memory" and not uri.split("://", 1)[1].strip("/"):
        raise InvalidArgumentError(
            "URI",
            expected="one that names a bucket or host",
            actual=repr(redact(uri)),
            remedy=f"write {name}://NAME/...",
        )
    if name in _KEYLESS and "@" in uri.split("://", 1)[1].partition("/")[0]:
        raise InvalidArgumentError(
            "URI",
            expected="one without user and password",
            actual=repr(redact(uri)),
            remedy="give credentials in the environment, such as AWS_ACCESS_KEY_ID",
        )
    try:
        os.fsencode(uri) if not name else uri.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            "path" if not name else "URI",
            expected="a name that the store can hold (UTF-8 where it is not a local one)",
            actual=repr(redact(uri)),
            remedy="rename it",
        ) from None


def patient(call: Callable[P, T]) -> Callable[P, T]:
    """Repeat a call whose failure may pass: a lost connection, a busy store, an I/O error.

    Its first argument is the URI of the place.
    """

    @functools.wraps(call)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in PAUSES_S:
            try:
                with store_errors(str(args[0])):
                    return call(*args, **kwargs)
            except OSError as error:
                if not passes(error):
                    raise
            time.sleep(pause)
        with store_errors(str(args[0])):
            return call(*args, **kwargs)

    return patient


@contextlib.contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Raise the errors of a store's own library inside the block as `OSError`, naming `uri`.

    Raises:
        StoreRefusedError: the store gives no access, and the error says how credentials are given;
            or it refuses for another reason.
        ConnectionError: the store was not reached, was too slow, or fails at present.
    """
    try:
        yield
    except Exception as error:
        told = as_os_error(error, uri)
        if told is None:
            raise
        raise told from error


def as_os_error(error: Exception, uri: str) -> OSError | None:
    """Return what an error of a store's own library means, or None where it is no such error.

    Args:
        error: of a package that serves a store: botocore's errors and others are no `OSError`.
        uri: of the place; "" where it is not known.
    """
    kinds = [kind for kind in type(error).__mro__ if kind not in Exception.__mro__]
    if isinstance(error, OSError) or not any(
        f"{kind.__module__}.".startswith(_LIBRARIES) for kind in kinds
    ):
        return None
    place = redact(uri) or "the storage"
    reason = " ".join(redact(str(error)).split())[:_LONGEST_REASON] or type(error).__name__
    names, status = " ".join(kind.__name__ for kind in kinds), _status(error)
    if _ABOUT_CONNECTION.search(names):
        return ConnectionError(f"{place} cannot be reached: {reason}")
    passing = status >= 500 or status in _TOO_MANY or getattr(error, "retryable", False)
    if passing or _ABOUT_TRANSFER.search(names):
        return ConnectionError(f"{place} fails at present: {reason}")
    # Stores answer 400 where a token has expired. Texts of other answers may hold any name.
    told = status in (0, 400) and _ABOUT_ACCESS.search(f"{names} {reason}")
    if told or status in _NO_ACCESS:
        remedy = _CREDENTIALS.get(scheme(uri), "give credentials in the environment")
        return StoreRefusedError(f"{place} gives no access: {reason}; {remedy}")
    return StoreRefusedError(f"{place} cannot be used: {reason}; check the names in it")


def _status(error: Exception) -> int:
    """Return the HTTP status that an error of a store's library carries; 0 for none."""
    found = getattr(error, "response", None)
    if isinstance(found, dict):  # of botocore
        found = found.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # of aiohttp, azure, and gcsfs and google.api_core
        named = (getattr(error, name, None) for name in ("status", "status_code", "code"))
        found = next((value for value in named if value is not None), None)
    try:
        return int(found or 0)
    except (TypeError, ValueError):  # gcsfs hands on what the store answers, whatever it is
        return 0


def passes(error: Exception) -> bool:
    """Tell whether an error may be gone at the next try."""
    broken = isinstance(error, ConnectionError | TimeoutError)
    return broken or (isinstance(error, OSError) and error.errno in _PASSING)


def sentence_of(error: OSError) -> str:
    """Return a failure of storage or of a path as a sentence for people: the place, and the
    remedy."""
    reason = error.strerror or str(error) or type(error).__name__
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return redact(f"{place}{reason}; check the path, its permissions and the storage")
