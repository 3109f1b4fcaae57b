"""Files by URI on anything fsspec knows, with the two guarantees that commits rest on.

A `put` is whole or absent (a rename locally, one object put elsewhere), and a `create` has exactly
one winner. What fails in passing is tried again, for two seconds; `create` alone is not, since its
first try may have won. Credentials come from the environment, and no message or record carries one.
"""

import contextlib
import errno
import functools
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import fsspec
from fsspec.core import split_protocol
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from itportrait.errors import InvalidArgumentError, OutputError

_PERMANENT = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG}
_PASSING = {errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT}
_PAUSES_S = (0.25, 0.5, 1.0)
_EXTRA = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_SECRET_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w-]*(?:signature|token|secret|password|credential|accesskeyid|api[_-]?key)|sig|key"
    r"|access_key)=)[^&;\s#'\"]+"
)


P = ParamSpec("P")
T = TypeVar("T")


def _patient(call: Callable[P, T]) -> Callable[P, T]:
    """Try again what failed in passing: a lost connection, a busy store, an I/O error."""

    @functools.wraps(call)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in _PAUSES_S:
            try:
                return call(*args, **kwargs)
            except OSError as error:
                broken = isinstance(error, ConnectionError | TimeoutError)
                if not broken and error.errno not in _PASSING:
                    raise
            time.sleep(pause)
        return call(*args, **kwargs)

    return patient


def redact(text: str) -> str:
    """Return `text` with users, passwords and signed query parameters of URIs replaced by ***."""
    return _SECRET_PARAMETER.sub(r"\1***", _USERINFO.sub("***@", text))


def open_fs(uri: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a URI and the path inside it (absolute for local ones).

    Raises:
        InvalidArgumentError: the protocol is unknown, or its package is not installed.
    """
    try:
        fs, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        protocol = split_protocol(uri)[0] or ""
        extra = _EXTRA.get(protocol)
        remedy = (
            f"pip install 'itportrait[{extra}]'"
            if extra
            else "use a path, s3://, gs:// or http(s)://"
        )
        raise InvalidArgumentError(
            "URI",
            expected="one that can be opened",
            actual=f"{redact(uri)!r} ({error})",
            remedy=remedy,
        ) from None
    return fs, path


def is_local(uri: str) -> bool:
    """Tell whether the URI is a path of this machine."""
    return isinstance(open_fs(uri)[0], LocalFileSystem)


def join(uri: str, *parts: str | int) -> str:
    """Append path components to a URI or a local path."""
    return "/".join([uri.rstrip("/"), *(str(part).strip("/") for part in parts)])


def absolute(uri: str) -> str:
    """Return the URI with a relative local path made absolute: workers run in other folders."""
    protocol, path = split_protocol(uri)
    if protocol in (None, "file", "local"):
        return str(Path(path).expanduser().absolute())
    return uri


@contextlib.contextmanager
def writing(uri: str) -> Iterator[None]:
    """Turn lasting failures (space, permission) inside the block into `OutputError`, naming `uri`.

    Passing ones (a broken connection, an I/O error) come through as they are, to be tried again.
    """
    try:
        yield
    except (FileExistsError, OutputError):
        raise
    except OSError as error:
        if error.errno in _PERMANENT or isinstance(
            error, PermissionError | NotADirectoryError | FileNotFoundError
        ):
            reason = error.strerror or str(error)
            raise OutputError(
                f"cannot write {redact(uri)}: {redact(reason)}; earlier commits stay valid, "
                "and the same command goes on from them"
            ) from error
        raise


@_patient
def put_bytes(uri: str, data: bytes) -> None:
    """Write a file whole or not at all, replacing an existing one.

    Raises:
        OutputError: no space or no permission; names the path.
    """
    fs, path = open_fs(uri)
    with writing(uri):
        if isinstance(fs, LocalFileSystem):
            with _local_temporary(path, data) as temporary:
                os.replace(temporary, path)
        else:
            fs.pipe_file(path, data)


def create_bytes(uri: str, data: bytes) -> None:
    """Write a file that must not exist yet; of several writers exactly one succeeds.

    Raises:
        FileExistsError: another writer was first; the file is left as it is.
        OutputError: no space or no permission; names the path.
    """
    fs, path = open_fs(uri)
    with writing(uri):
        if isinstance(fs, LocalFileSystem):
            # A link appears whole or not at all, which `open(path, "xb")` does not promise.
            with _local_temporary(path, data) as temporary:
                os.link(temporary, path)
        else:
            fs.pipe_file(path, data, mode="create")


@contextlib.contextmanager
def _local_temporary(path: str, data: bytes) -> Iterator[Path]:
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{target.parent} is not a folder") from None
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except FileNotFoundError:  # a job that finished has swept the folder
        raise OSError(errno.EAGAIN, f"{temporary} was removed by another process") from None
    finally:
        temporary.unlink(missing_ok=True)


@_patient
def read_bytes(uri: str) -> bytes:
    """Return the content of a file. FileNotFoundError if there is none."""
    fs, path = open_fs(uri)
    return cast(bytes, fs.cat_file(path))


def read_json(uri: str) -> Any:
    """Return the parsed content of a JSON file, or None if there is no such file."""
    try:
        return json.loads(read_bytes(uri))
    except FileNotFoundError:
        return None


def to_json(data: Any) -> bytes:
    """Encode data as indented JSON with sorted keys: the same data gives the same bytes."""
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


@_patient
def exists(uri: str) -> bool:
    """Tell whether a file exists, past any listing cache."""
    fs, path = open_fs(uri)
    fs.invalidate_cache(fs._parent(path))
    return fs.exists(path)


@_patient
def list_names(uri: str) -> list[str]:
    """Return the sorted names in a folder, past any cache; of a missing folder: none."""
    fs, path = open_fs(uri)
    fs.invalidate_cache(path)
    try:
        items = fs.ls(path, detail=False)
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = (str(item).rstrip("/").rsplit("/", 1)[-1] for item in items)
    return sorted(name for name in names if name and not name.endswith(".tmp"))


@_patient
def read_tree(uri: str) -> dict[str, bytes]:
    """Return the contents of all files below a folder, by their path in it, past any cache."""
    fs, path = open_fs(uri)
    fs.invalidate_cache(path)
    root = str(fs._strip_protocol(path)).rstrip("/") + "/"
    names = sorted(str(fs._strip_protocol(item)) for item in fs.find(path))
    return {name.removeprefix(root): cast(bytes, fs.cat_file(name)) for name in names}


@_patient
def remove(uri: str, *, recursive: bool = False) -> None:
    """Remove a file (or a folder) if it is there."""
    fs, path = open_fs(uri)
    with writing(uri), contextlib.suppress(FileNotFoundError):
        fs.rm(path, recursive=recursive)
