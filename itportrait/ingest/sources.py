"""List inputs as a stream: memory holds the names of one folder, never the whole listing.

The order is the same in every run and on every machine (names sorted within a folder, folders
after files), so that a shard keeps its number.
"""

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem
from fsspec.utils import glob_translate

from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.ingest.archives import list_archive
from itportrait.ingest.lists import list_lines
from itportrait.ingest.tables import list_table
from itportrait.io.formats import PATTERNS
from itportrait.io.uris import is_local, open_fs, redact, scheme, suffix, without_query
from itportrait.records import Source

_READERS = {
    ".txt": list_lines,
    ".lst": list_lines,
    ".parquet": list_table,
    ".pq": list_table,
    ".tar": list_archive,
}
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")


def list_sources(
    uri: str | Sequence[str], *, patterns: Sequence[str] = PATTERNS
) -> Iterator[Source]:
    """Stream the inputs of one URI or several.

    Args:
        uri: a folder (searched through), a glob, a picture, a list file (`.txt`, `.lst`: one URI a
            line, relative ones beside it, `#` begins a comment), a Parquet table (`.parquet`: a
            column `uri` or one of encoded bytes, optionally `landmarks`, `crop`, `camera`) or a
            WebDataset archive (`.tar`, also `shard-{000..017}.tar`), on any storage fsspec knows.
        patterns: file names that count in a folder.

    Returns:
        Sources in an order that is the same in every run.

    Raises:
        NoInputError: nothing was found: names the URI and the patterns tried.
        InvalidArgumentError: the protocol is unknown, a table lacks a column of photos, an archive
            is compressed.
    """
    uris = [uri] if isinstance(uri, str) else list(uri)
    stream = itertools.chain.from_iterable(_list_one(item, patterns) for item in uris)
    first = next(stream, None)
    if first is None:
        shown = ", ".join(repr(redact(item)) for item in uris) or "an empty list"
        raise NoInputError(
            f"no input found at {shown}; tried the patterns {' '.join(patterns)} in folders and "
            f"below, list files (.txt, .lst), tables (.parquet) and archives (.tar); "
            "check the path, or give a glob such as 'photos/**/*.jpg'"
        )
    return itertools.chain([first], stream)


def _list_one(uri: str, patterns: Sequence[str]) -> Iterator[Source]:
    for item in expand_braces(uri):
        fs, path = open_fs(item)
        with listing(item):
            # In an http address `?` begins the query.
            marks = "*[" if item.startswith("http") else "*?["
            if not _exists(fs, path) and any(mark in path for mark in marks):
                root = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0] or "/"
                match = re.compile(glob_translate(path)).match
                found: Iterable = (f for f in _walk(fs, root) if match(f[0]))
            elif fs.isdir(path):
                test = re.compile("|".join(glob_translate(p.lower()) for p in patterns)).match
                found = (f for f in _walk(fs, path) if test(f[0].rsplit("/", 1)[-1].lower()))
            elif _exists(fs, path):
                found = [(path, _version_at(fs, path))]
            else:
                found = []
            for name, version in found:
                yield from _open_file(_full(fs, name, item), version)


def _open_file(uri: str, version: str) -> Iterator[Source]:
    """Stream what one file holds: itself, or the inputs in it."""
    if re.search(r"\.(tar\.(gz|zst|bz2|xz)|tgz)$", without_query(uri), re.IGNORECASE):
        raise InvalidArgumentError(
            "archive",
            expected="an uncompressed .tar, whose photos can be read one by one",
            actual=repr(redact(uri)),
            remedy="unpack it, or store it uncompressed (photos are compressed already)",
        )
    reader = _READERS.get(suffix(uri))
    if reader is None:
        yield Source(uri=uri, version=version)
    else:
        yield from reader(uri, version)


def _walk(fs: AbstractFileSystem, root: str) -> Iterator[tuple[str, str]]:
    """Stream `(path, version)` of all files at and below `root`, hidden ones left out."""
    if isinstance(fs, LocalFileSystem):
        yield from _walk_local(root)
        return
    for folder, folders, files in fs.walk(root, detail=True):
        # `walk` follows this very mapping: what is taken out here is not entered.
        for name in [name for name in folders if name.startswith(".")]:
            del folders[name]
        for name in sorted(folders):
            folders[name] = folders.pop(name)
        for name in sorted(files):
            if not name.startswith(".") and name:
                yield f"{str(folder).rstrip('/')}/{name}", version_of(files[name])


def _walk_local(root: str) -> Iterator[tuple[str, str]]:
    files, folders = [], []
    with os.scandir(root) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (folders if entry.is_dir() else files).append(entry.name)
    for name in sorted(files):
        path = os.path.join(root, name)
        with contextlib.suppress(FileNotFoundError):  # a link that leads nowhere
            stat = os.stat(path)
            yield path, f"{stat.st_size}-{stat.st_mtime_ns}"
            continue
        yield path, ""
    for name in sorted(folders):
        yield from _walk_local(os.path.join(root, name))


def version_of(info: dict[str, Any]) -> str:
    """Return what the store says changes with the content: an ETag, or size and time."""
    etag = info.get("ETag") or info.get("etag")
    if etag:
        return str(etag).strip('"')
    time = info.get("mtime") or info.get("LastModified") or info.get("updated")
    size = info.get("size")
    if size is None and time is None:
        return ""
    if info.get("type") == "file" and isinstance(time, float):
        with contextlib.suppress(OSError):
            return f"{size}-{os.stat(info['name']).st_mtime_ns}"
    return f"{size}-{time}"


def _version_at(fs: AbstractFileSystem, path: str) -> str:
    # A link that leads nowhere is an input still: it fails with its reason, in its own row.
    with contextlib.suppress(FileNotFoundError):
        return version_of(fs.info(path))
    return ""


def expand_braces(uri: str) -> Iterator[str]:
    """Stream what `{000..017}` (zeros kept) and `{a,b}` in a URI stand for, left to right."""
    match = _BRACES.search(uri)
    if match is None or os.path.exists(uri):
        yield uri
        return
    low, high, names = match.groups()
    if names is not None:
        parts: Iterable[str] = names.split(",")
    else:
        parts = (f"{i:0{len(low)}d}" for i in range(int(low), int(high) + 1))
    for part in parts:
        yield from expand_braces(uri[: match.start()] + part + uri[match.end() :])


@contextlib.contextmanager
def listing(uri: str) -> Iterator[None]:
    """Name the URI, without credentials, in the errors of a listing."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        reason = error.strerror or redact(str(error)) or type(error).__name__
        raise NoInputError(f"cannot list {redact(uri)}: {reason}") from None
    except OSError as error:
        raise OSError(f"listing {redact(uri)}: {redact(str(error))}") from None


def _exists(fs: AbstractFileSystem, path: str) -> bool:
    return os.path.lexists(path) if isinstance(fs, LocalFileSystem) else fs.exists(path)


def _full(fs: AbstractFileSystem, path: str, given: str) -> str:
    """Return the URI of a path inside `fs`; local ones stay plain paths."""
    if is_local(given) or scheme(path):
        return path
    protocol = scheme(given)
    return f"{protocol}://{path.lstrip('/')}" if protocol != "memory" else f"memory://{path}"
