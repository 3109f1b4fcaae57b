"""Walk the folders of a disk or a store: yield their files in order, and what cannot be looked
into.

The order is the same in every run: names sorted within a folder, folders after files. Memory holds
the names of the folders on the way down, never the whole listing.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from itportrait.ingest.masks import pair_masks
from itportrait.ingest.skipped import Skip, Skipped, reason_to_pass

_MOST_LEVELS = 100
"""Largest depth of folders in a store; a web server that links to a parent folder has no end of
them."""
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass(frozen=True)
class Found:
    """A file, or a place that could not be looked into."""

    path: str
    """The file's path. The path of a folder that could not be listed ends in a slash."""
    version: str = ""
    error: Exception | None = None
    """Why the file cannot be read, or the folder not be listed; None where there is no fault."""
    mask: "Found | None" = None
    """The mask file of a photo, beside it."""
    is_mask: bool = False
    """Whether it is the mask of a photo beside it."""


def walk(
    fs: AbstractFileSystem,
    root: str,
    skipped: Skipped,
    enter: Callable[[str], bool] = lambda folder: True,
    mask_suffix: str = "",
) -> Iterator[Found]:
    """Stream the files at and below a folder.

    Args:
        fs: file system of the folder.
        root: the folder's path.
        skipped: counts what is passed over: hidden names, those of the system, loops of links.
        enter: tells whether a folder below is looked into.
        mask_suffix: ending of the names of masks; "" for none.

    Raises:
        OSError: the folder itself cannot be listed. Folders below it that cannot are `Found`.
    """
    local = isinstance(fs, LocalFileSystem)
    ahead: list[tuple[str, tuple]] = [(root, ())]
    while ahead:
        folder, above = ahead.pop()
        try:
            place = _identity(folder) if local else folder
            if place in above:
                skipped.add(Skip.LOOP, folder)
                continue
            if not local and len(above) > _MOST_LEVELS:
                raise OSError(f"more than {_MOST_LEVELS} folders lie in each other")
            scan = partial(_scan_disk, folder) if local else partial(_scan, fs, folder)
            files, folders = scan(skipped, mask_suffix)
        except Exception as error:  # whatever a disk or a store does costs one folder, not the job
            if not above:
                raise
            yield Found(f"{folder.rstrip('/')}/", error=error)
            continue
        yield from files
        entered = [name for name in folders if enter(name)]
        ahead += [(name, (*above, place)) for name in reversed(entered)]


def found_at(path: str) -> Found:
    """Return a file of a local disk with its version, or with the reason why it cannot be read as
    one."""
    try:
        about = os.stat(path)
    except (OSError, ValueError):  # a link that leads nowhere, ...: whoever reads it says why
        return Found(path)
    version = f"{about.st_size}-{about.st_mtime_ns}"
    if stat.S_ISREG(about.st_mode):
        return Found(path, version)
    kind = _KINDS.get(stat.S_IFMT(about.st_mode), "something else")
    return Found(path, error=OSError(f"it is {kind}, not a file"))


def version_of(info: dict[str, Any]) -> str:
    """Return what a store says changes with the content: an ETag, or size and time."""
    etag = info.get("ETag") or info.get("etag")
    if etag:
        return str(etag).strip('"')
    time = info.get("mtime") or info.get("LastModified") or info.get("updated")
    size = info.get("size")
    return "" if size is None and time is None else f"{size}-{time}"


def _identity(folder: str) -> tuple[int, int]:
    about = os.stat(folder)
    return about.st_dev, about.st_ino


def _scan_disk(
    folder: str, skipped: Skipped, mask_suffix: str
) -> tuple[Iterable[Found], list[str]]:
    """Return the files and the folders in a folder, each sorted; a file is looked at when it is
    its turn."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if reason := reason_to_pass(entry.name):
                skipped.add(reason, entry.path)
                continue
            is_folder = False
            with contextlib.suppress(OSError):  # a link to itself: a file that cannot be read
                is_folder = entry.is_dir()
            (folders if is_folder else files).append(entry.name)
    paths = _paths(folder, files)
    pairs = pair_masks(paths, mask_suffix)
    return _paired(map(found_at, paths), pairs, found_at), _paths(folder, folders)


def _paths(folder: str, names: list[str]) -> list[str]:
    return [os.path.join(folder, name) for name in sorted(names)]


def _paired(
    files: Iterable[Found], pairs: dict[str, str], at: Callable[[str], Found]
) -> Iterator[Found]:
    """Yield the files of a folder, photos with their masks; `at` returns a file by its path."""
    masks = set(pairs.values())
    for found in files:
        mask = pairs.get(found.path)
        if found.path in masks:
            yield replace(found, is_mask=True)
        else:
            yield found if mask is None else replace(found, mask=at(mask))


def _scan(
    fs: AbstractFileSystem, folder: str, skipped: Skipped, mask_suffix: str
) -> tuple[Iterable[Found], list[str]]:
    """Return the files and the folders in a folder of a store, each sorted."""
    files: list[Found] = []
    folders: list[str] = []
    base = folder.rstrip("/")
    for info in fs.ls(folder, detail=True):
        path = str(info["name"]).rstrip("/")
        is_folder = info.get("type") == "directory"
        if path == base:
            # Stores of objects have keys with `//`: a folder without a name, which `ls` cannot
            # list. (A file of the folder's own path only marks that the folder is there.)
            files += _nameless(fs, base, skipped) if is_folder else []
            continue
        name = path.rpartition("/")[2]
        if reason := reason_to_pass(name):
            skipped.add(reason, path)
        elif is_folder:
            folders.append(f"{base}/{name}")
        else:
            files.append(Found(f"{base}/{name}", version_of(info)))
    by_path = {found.path: found for found in sorted(files, key=lambda found: found.path)}
    pairs = pair_masks(by_path.keys(), mask_suffix)
    return _paired(by_path.values(), pairs, by_path.__getitem__), sorted(folders)


def _nameless(fs: AbstractFileSystem, base: str, skipped: Skipped) -> Iterator[Found]:
    """Yield the files whose keys go on with `//` after a folder."""
    try:
        below = fs.find(base, prefix="/", detail=True)
        assert isinstance(below, dict)
    except Exception as error:
        yield Found(f"{base}//", error=error)
        return
    for path, info in below.items():
        names = path.removeprefix(base).split("/")
        reasons = [reason for name in names if name and (reason := reason_to_pass(name))]
        if reasons:
            skipped.add(reasons[0], path)
        elif not path.endswith("/"):
            yield Found(path, version_of(info))
