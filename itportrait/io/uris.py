"""Files by URI on anything fsspec knows, with the two guarantees that commits rest on.

A local path is a path as the system knows it, whatever characters its name holds: `open_fs` alone
hands it to fsspec, as a name and never as a pattern, a chain of URLs or a query.

A `put` is whole or absent (a rename locally, one object put elsewhere), and a `create` has exactly
one winner. What fails in passing is tried again, for two seconds; `create` alone is not, since its
first try may have won. Credentials come from the environment, and no message or record carries one.
"""

import contextlib
import errno
import functools
import json
import os
import posixpath
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from itportrait.documents import MOST_BYTES, parse_object
from itportrait.errors import InvalidArgumentError, OutputError
from itportrait.text import shown

_PERMANENT = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG}
_PASSING = {errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT}
_ABSENT = (FileNotFoundError, NotADirectoryError)
_PAUSES_S = (0.25, 0.5, 1.0)
_EXTRA = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CHAIN = re.compile(
    r"(zip|tar|libarchive|simplecache|filecache|blockcache|cached|reference|dir)(://|::)"
)
_SHIPPED = re.compile(r"/runtime_resources/working_dir_files/[^/]+/")
_USERINFO = re.compile(r"(?<=://)[^/\s]+@")
_SECRET_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w-]*(?:signature|token|secret|password|credential|accesskeyid|api[_-]?key)|sig|key"
    r"|access_key)=)[^&;\s#'\"]+"
)
P = ParamSpec("P")
T = TypeVar("T")


def _patient(call: Callable[P, T]) -> Callable[P, T]:
    """Repeat a call whose failure may pass: a lost connection, a busy store, an I/O error."""

    @functools.wraps(call)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in _PAUSES_S:
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


def redact(text: str) -> str:
    """Return `text` with users, passwords and signed query parameters of URIs replaced by ***.

    What comes out is valid text (see `shown`), whatever the names in it.
    """
    return _SECRET_PARAMETER.sub(r"\1***", _USERINFO.sub("***@", shown(text)))


def scheme(uri: str) -> str:
    """Return the scheme of a URI (`s3`, `https`, ...), or "" for a path of this machine."""
    match = _SCHEME.match(uri)
    return "" if match is None or match[1] in ("file", "local") else match[1]


def is_local(uri: str) -> bool:
    """Tell whether the URI is a path of this machine."""
    return not scheme(uri)


def local_path(uri: str) -> str:
    """Return an absolute path for a path of this machine, with or without `file://` before it.

    Only a leading `~` and `./` have a meaning of their own; all other characters are the name's.
    """
    match = _SCHEME.match(uri)
    path = os.path.expanduser(uri[match.end() :] if match else uri)
    if not path.startswith("/"):
        path = f"{os.getcwd()}/{path.removeprefix('./') if path != '.' else ''}"
    return path.rstrip("/") or "/"


def is_temporary_copy(path: str) -> bool:
    """Tell whether a path lies in Ray's copy of a submitted checkout, which is deleted after the
    job."""
    return _SHIPPED.search(os.path.realpath(path) + "/") is not None


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


def join(uri: str, *parts: str | int) -> str:
    """Append path components to a URI or a local path."""
    return "/".join([uri.rstrip("/"), *(str(part).strip("/") for part in parts)])


def beside(uri: str, name: str) -> str:
    """Return `name` as it is where it is absolute or a URI, else taken from the folder of `uri`."""
    if name.startswith("/") or _SCHEME.match(name):
        return name
    if is_local(uri):
        return posixpath.normpath(posixpath.join(posixpath.dirname(local_path(uri)), name))
    return f"{without_query(uri).rpartition('/')[0]}/{name}"


def suffix(uri: str) -> str:
    """Return the lower-case ending of a URI's name, with its dot (`.parquet`), or ""."""
    return posixpath.splitext(without_query(uri).rpartition("/")[2])[1].lower()


def without_query(uri: str) -> str:
    """Return the URI up to its query; only an address of the web has one."""
    return re.split(r"[?#]", uri, maxsplit=1)[0] if scheme(uri) in ("http", "https") else uri


def absolute(uri: str) -> str:
    """Return the URI with a relative local path made absolute: workers run in other folders."""
    return str(Path(local_path(uri))) if is_local(uri) else uri


def rooted(uri: str, folder: str) -> str:
    """Return a place that a file of `folder` names: a relative path is taken from that folder."""
    if scheme(uri) or uri.startswith(("/", "~")):
        return absolute(uri)
    return absolute(join(folder, uri))


def sentence_of(error: OSError) -> str:
    """Return a failure of storage or of a path as a sentence for people: the place, and the
    remedy."""
    reason = error.strerror or str(error) or type(error).__name__
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return redact(f"{place}{reason}; check the path, its permissions and the storage")


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


def remove_unfinished(uri: str) -> None:
    """Remove files that killed processes were about to write below a folder; object stores have
    none."""
    if is_local(uri):
        for path in Path(local_path(uri)).rglob(".*.tmp"):
            path.unlink(missing_ok=True)


@_patient
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
def list_sizes(uri: str) -> dict[str, int]:
    """Return the bytes of a folder's files by name, unfinished ones included, past any cache."""
    fs, path = open_fs(uri)
    fs.invalidate_cache(path)
    try:
        items = fs.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {item["name"].rstrip("/").rsplit("/", 1)[-1]: item["size"] for item in items}


@_patient
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
    for pause in (*_PAUSES_S, None):
        if not left:
            break
        fs = next(iter(left.values()))[0]
        paths = [path for _, path in left.values()]
        contents = fs.cat_ranges(paths, None, None, on_error="return")
        answers = dict(zip(left, contents, strict=True))
        found |= {uri: data for uri, data in answers.items() if isinstance(data, bytes)}
        failed = {
            uri: error
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


@_patient
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
