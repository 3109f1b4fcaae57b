"""The stores behind URIs: the file system of each, and patience with what fails in passing."""

import errno
import functools
import os
import re
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from itportrait.errors import InvalidArgumentError
from itportrait.io.addresses import local_path, redact, scheme

PAUSES_S = (0.25, 0.5, 1.0)
_PASSING = {errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT}
_EXTRA = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
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
        if name in _EXTRA:
            remedy = f"pip install 'itportrait[{_EXTRA[name]}]'"
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
    if name in _EXTRA and "@" in uri.split("://", 1)[1].partition("/")[0]:
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
    """Repeat a call whose failure may pass: a lost connection, a busy store, an I/O error."""

    @functools.wraps(call)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in PAUSES_S:
            try:
                return call(*args, **kwargs)
            except OSError as error:
                if not passes(error):
                    raise
            time.sleep(pause)
        return call(*args, **kwargs)

    return patient


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
