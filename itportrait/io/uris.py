"""Files by URI on anything fsspec knows, with the two guarantees that commits rest on.

A local path is a path as the system knows it, whatever characters its name holds: `open_fs` alone
hands it to fsspec, as a name and never as a pattern, a chain of URLs or a query.

A `put` is whole or absent (a rename locally, one object put elsewhere), and a `create` has exactly
one winner. What fails in passing is tried again, for two seconds; `create` alone is not, since its
first try may have won. Credentials come from the environment, and no message or record carries one.
"""

import contextlib
import errno
import io
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, cast

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from itportrait.documents import MOST_BYTES, parse_object
from itportrait.errors import InvalidArgumentError, ItportraitError, OutputError
from itportrait.io.addresses import (
    absolute,
    beside,
    file_name,
    is_local,
    is_temporary_copy,
    join,
    local_path,
    redact,
    rooted,
    scheme,
    suffix,
    without_query,
)
from itportrait.io.stores import (
    PAUSES_S,
    as_os_error,
    open_fs,
    passes,
    patient,
    sentence_of,
    store_errors,
)
from itportrait.text import shown

__all__ = [
    "absolute",
    "beside",
    "create_bytes",
    "exists",
    "file_name",
    "is_local",
    "is_temporary_copy",
    "join",
    "list_names",
    "list_sizes",
    "list_tree",
    "local_path",
    "open_fs",
    "passes",
    "put_bytes",
    "put_bytes_once",
    "put_file",
    "read_bytes",
    "read_json",
    "read_many",
    "read_tree",
    "redact",
    "remove",
    "remove_unfinished",
    "rooted",
    "scheme",
    "sentence_of",
    "store_errors",
    "suffix",
    "to_json",
    "without_query",
    "writing",
]

_PERMANENT = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG}
_ABSENT = (FileNotFoundError, NotADirectoryError)


@contextlib.contextmanager
def writing(uri: str) -> Iterator[None]:
    """Turn lasting failures (space, permission) inside the block into `OutputError`, naming `uri`.

    Passing ones (a broken connection, an I/O error) come through as they are, to be tried again.
    """
    try:
        yield
    except (FileExistsError, ItportraitError):
        raise
    except OSError as error:
        if error.errno in _PERMANENT or isinstance(
            error, PermissionError | NotADirectoryError | FileNotFoundError
        ):
            reason = error.strerror or str(error)
            raise OutputError(
                f"cannot write {redact(uri)}: {redact(reason)}; mend that and run the "
                "command again, which goes on from whatever was committed"
            ) from error
        raise


@patient
def put_bytes(uri: str, data: bytes) -> None:
    """Write a file whole or not at all, replacing an existing one.

    Raises:
        OutputError: no space or no permission; names the path.
    """
    put_bytes_once(uri, data)


def put_bytes_once(uri: str, data: bytes) -> None:
    """Write as `put_bytes` does, in one attempt: for what can be left out, such as news.

    Raises:
        OutputError: no space or no permission; names the path.
        OSError: storage failed, perhaps in passing.
    """
    fs, path = open_fs(uri)
    with writing(uri), store_errors(uri):
        if isinstance(fs, LocalFileSystem):
            with _local_temporary(path, io.BytesIO(data)) as temporary:
                os.replace(temporary, path)
        else:
            fs.pipe_file(path, data)


@patient
def put_file(uri: str, local: str) -> None:
    """Write a copy of a local file as `put_bytes` does, with a part of it in memory at a time.

    Raises:
        OutputError: no space or no permission; names the path.
    """
    fs, path = open_fs(uri)
    with writing(uri), store_errors(uri):
        if isinstance(fs, LocalFileSystem):
            with open(local, "rb") as file, _local_temporary(path, file) as temporary:
                os.replace(temporary, path)
        else:
            fs.put_file(local, path)


def create_bytes(uri: str, data: bytes) -> None:
    """Write a file that must not exist yet; of several writers exactly one succeeds.

    Raises:
        FileExistsError: another writer was first; the file is left as it is.
        OutputError: no space or no permission; names the path.
    """
    fs, path = open_fs(uri)
    with writing(uri), store_errors(uri):
        if isinstance(fs, LocalFileSystem):
            # A link appears whole or not at all, which `open(path, "xb")` does not promise.
            with _local_temporary(path, io.BytesIO(data)) as temporary:
                os.link(temporary, path)
        else:
            fs.pipe_file(path, data, mode="create")


@contextlib.contextmanager
def _local_temporary(path: str, source: BinaryIO) -> Iterator[Path]:
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{target.parent} is not a folder") from None
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except FileNotFoundError:  # a job that finished has swept the folder
        raise OSError(errno.EAGAIN, f"{temporary} was removed by another process") from None
    finally:
        temporary.unlink(missing_ok=True)


def check_place(uri: str, argument: str) -> None:
    """Check that a local folder can be made, or written into, before work whose result goes there.

    Nothing of it stays. Other storage is not tried: it answers at the first write.

    Args:
        uri: of the folder, which need not exist.
        argument: what the user calls it.

    Raises:
        InvalidArgumentError: it is a file or below one, or nothing can be written there.
    """
    if not is_local(uri):
        return
    place = Path(local_path(uri)).absolute()
    while not (place.exists() or place == place.parent):
        place = place.parent
    problem = "" if place.is_dir() else f"{place} is a file"
    if not problem:
        try:
            with tempfile.TemporaryDirectory(prefix=".itportrait-", dir=place):
                pass
        except OSError as error:
            problem = f"{place} takes no new folder ({error.strerror})"
    if problem:
        raise InvalidArgumentError(
            argument,
            expected="a folder that can be written to",
            actual=f"{redact(uri)}: {problem}",
            remedy="name another folder",
        )


def remove_unfinished(uri: str) -> None:
    """Remove files that killed processes were about to write below a folder; object stores have
    none."""
    if is_local(uri):
        for path in Path(local_path(uri)).rglob(".*.tmp"):
            path.unlink(missing_ok=True)


@patient
def read_bytes(uri: str, *, most: int | None = None) -> bytes:
    """Return the content of a file, or its first `most` bytes; FileNotFoundError without one."""
    fs, path = open_fs(uri)
    try:
        return cast(bytes, fs.cat_file(path, end=most))
    except OSError as error:
        # Object stores refuse a range of an empty file.
        if error.errno == errno.EINVAL and most and fs.info(path)["size"] == 0:
            return b""
        raise


def why_unread(error: Exception) -> str:
    """Return why a file could not be read, in words, without credentials."""
    if isinstance(error, UnicodeDecodeError):
        return "its bytes are no text"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, FileNotFoundError) and error.__cause__ is None:
        return "there is no such file"
    return redact(" ".join(str(error).split()))


def read_json(uri: str) -> dict[str, Any] | None:
    """Return the content of a JSON file, an object, or None if there is no such file.

    Raises:
        InvalidArgumentError: it is something else, too long or too deep; says which.
    """
    try:
        data = read_bytes(uri, most=MOST_BYTES + 1)
    except _ABSENT:
        return None
    except IsADirectoryError:
        raise InvalidArgumentError(
            redact(uri), expected="a file", actual="a folder", remedy="remove it"
        ) from None
    return parse_object(data, redact(uri))


def to_json(data: Any) -> bytes:
    """Encode data as indented JSON with sorted keys: the same data gives the same bytes."""
    return (json.dumps(_shown(data), indent=1, sort_keys=True) + "\n").encode()


def _shown(data: Any) -> Any:
    """Return data whose texts are all valid, since other readers refuse lone surrogates."""
    if isinstance(data, dict):
        return {_shown(key): _shown(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_shown(value) for value in data]
    return shown(data) if isinstance(data, str) else data


@patient
def exists(uri: str) -> bool:
    """Tell whether a file exists, past any listing cache."""
    fs, path = open_fs(uri)
    fs.invalidate_cache(fs._parent(path))
    return fs.exists(path)


@patient
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


@patient
def list_sizes(uri: str) -> dict[str, int]:
    """Return the bytes of a folder's files by name, unfinished ones included, past any cache."""
    fs, path = open_fs(uri)
    fs.invalidate_cache(path)
    try:
        items = fs.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {item["name"].rstrip("/").rsplit("/", 1)[-1]: item["size"] for item in items}


@patient
def list_tree(uri: str) -> list[str]:
    """Return the sorted paths of all files below a folder, past any cache."""
    fs, path = open_fs(uri)
    fs.invalidate_cache(path)
    root = str(fs._strip_protocol(path)).rstrip("/") + "/"
    return sorted(str(fs._strip_protocol(item)).removeprefix(root) for item in fs.find(path))


def read_tree(uri: str) -> dict[str, bytes]:
    """Return the contents of all files below a folder, by their path in it, past any cache."""
    return {name: read_bytes(join(uri, name)) for name in list_tree(uri)}


def read_many(uris: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of files of one store by URI, those that are not there left out.

    They are read in one round where the storage can; what failed in passing is asked for again, and
    nothing else of the round.
    """
    left = {uri: open_fs(uri) for uri in uris}
    found: dict[str, bytes] = {}
    for pause in (*PAUSES_S, None):
        if not left:
            break
        fs = next(iter(left.values()))[0]
        paths = [path for _, path in left.values()]
        contents = fs.cat_ranges(paths, None, None, on_error="return")
        answers = dict(zip(left, contents, strict=True))
        found |= {uri: data for uri, data in answers.items() if isinstance(data, bytes)}
        failed = {
            uri: as_os_error(error, uri) or error
            for uri, error in answers.items()
            if isinstance(error, Exception) and not isinstance(error, _ABSENT)
        }
        for error in failed.values():
            if pause is None or not passes(error):
                raise error
        left = {uri: left[uri] for uri in failed}
        if left and pause is not None:
            time.sleep(pause)
    return found


@patient
def remove(uri: str, *, recursive: bool = False) -> None:
    """Remove a file (or a folder) if it is there."""
    fs, path = open_fs(uri)
    with writing(uri), contextlib.suppress(FileNotFoundError):
        if not recursive:
            fs.rm_file(path)
        elif isinstance(fs, LocalFileSystem):
            fs.rm(path, recursive=True)
        else:
            _remove_tree(fs, path)


def _remove_tree(fs: AbstractFileSystem, path: str) -> None:
    """Remove all below a folder by name; the store's own `rm` would read the path as a pattern."""
    fs.invalidate_cache(path)
    found = cast(dict[str, dict[str, Any]], fs.find(path, withdirs=True, detail=True))
    files = [name for name, info in found.items() if info["type"] != "directory"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fs.rm_file, files))
    fs.invalidate_cache(path)
    # Object stores have no folders that could stay behind.
    for folder in sorted({*found, path} - set(files), reverse=True):
        with contextlib.suppress(OSError, NotImplementedError):
            fs.rmdir(folder)
