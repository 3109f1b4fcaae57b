"""List inputs as a stream: memory holds the names of one folder, never the whole listing.

The order is the same in every run and on every machine (names sorted within a folder, folders
after files), so that a shard keeps its number. Every input of the call ends as one source or as a
count: what cannot be listed or read is a source with a fault, which becomes a failed row; what is
no picture is counted, with its reason.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from glob import escape

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem
from fsspec.utils import glob_translate

from itportrait.errors import InvalidArgumentError, ItportraitError, NoInputError
from itportrait.ingest.archives import list_archive
from itportrait.ingest.braces import expand_braces, standing_folder
from itportrait.ingest.faults import STORAGE, faulty, reason_of, sentence_of, unlisted
from itportrait.ingest.lists import list_lines
from itportrait.ingest.masks import stems_of_photo
from itportrait.ingest.skipped import Skip, Skipped, reason_of_other
from itportrait.ingest.tables import list_table
from itportrait.ingest.walk import Found, found_at, version_of, walk
from itportrait.io.uris import (
    is_local,
    local_path,
    open_fs,
    redact,
    scheme,
    store_errors,
    suffix,
    without_query,
)
from itportrait.photos.formats import PATTERNS
from itportrait.photos.masks import MASK_SUFFIX
from itportrait.records import Source

_READERS = {
    ".txt": list_lines,
    ".lst": list_lines,
    ".parquet": list_table,
    ".pq": list_table,
}
_COMPRESSED = re.compile(r"\.(tar\.(gz|zst|bz2|xz)|tgz)$", re.IGNORECASE)
_PATTERNS_SHOWN = 12


def list_sources(
    uri: str | Sequence[str],
    *,
    patterns: Sequence[str] = PATTERNS,
    mask_suffix: str = MASK_SUFFIX,
) -> "Listing":
    """Stream the inputs of one URI or several.

    Args:
        uri: a folder (searched through), a glob, a picture, a list file (`.txt`, `.lst`: one URI a
            line, relative ones beside it, `#` begins a comment), a Parquet table (`.parquet`: a
            column `uri` or one of encoded bytes, optionally `landmarks`, `crop`, `camera`, `mask`)
            or a WebDataset archive (`.tar`, also `shard-{000..017}.tar`), on any storage fsspec
            knows.
        patterns: file names that count in a folder.
        mask_suffix: ending of the names of masks beside photos; "" takes all pictures for photos.

    Returns:
        Sources in an order that is the same in every run. One that could not be listed or read has
        a `fault`, and what is passed over is counted in `skipped`.

    Raises:
        ItportraitError: nothing at all could be listed; names the URI and what was found there.
    """
    return Listing([uri] if isinstance(uri, str) else list(uri), patterns, mask_suffix)


class Listing(Iterator[Source]):
    """The inputs of a call as a stream, with counts of what was ignored on the way.

    Args:
        uris: inputs of the call.
        patterns: file names that count in a folder.
        mask_suffix: ending of the names of masks beside photos; "" for none.
    """

    def __init__(
        self, uris: Sequence[str], patterns: Sequence[str], mask_suffix: str = MASK_SUFFIX
    ) -> None:
        self.uris, self.patterns, self.mask_suffix = uris, patterns, mask_suffix
        self.skipped = Skipped()
        """Grows while the stream is read."""
        self._wanted = _any_of([pattern.lower() for pattern in patterns])
        self._stream = self._all()
        self._first: Source | None = next(self._stream)

    def __next__(self) -> Source:
        """Return the next input."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._stream)

    def _all(self) -> Iterator[Source]:
        """Stream all inputs; what keeps one of several from being listed costs that one alone."""
        listed, first_error = False, None
        held: list[Source] = []
        for uri in (item for given in self.uris for item in expand_braces(given)):
            is_empty = True
            try:
                for source in self._of(uri):
                    yield from held
                    held, listed, is_empty = [], True, False
                    yield source
                if is_empty:
                    self.skipped.add(Skip.EMPTY, uri)
            except Exception as error:
                first_error = first_error or error
                held.append(unlisted(uri, error, _version_at(uri)))
            if listed:
                yield from held
                held = []
        if not listed:
            raise self._nothing(first_error, held)

    def _of(self, uri: str) -> Iterator[Source]:
        """Stream what one URI of the call holds.

        Raises:
            Exception: it cannot be listed, whatever the reason.
        """
        fs, path = open_fs(uri)
        with store_errors(uri):
            missing = _missing(fs, path)
        # In an http address `?` begins the query.
        marks = "*[" if scheme(uri) in ("http", "https") else "*?["
        if missing and any(mark in path for mark in marks):
            # Folders that stand are names, whatever signs they hold: the pattern follows them.
            named = standing_folder(path) if is_local(uri) else 0
            fixed = re.split(r"[*?\[]", path[named:], maxsplit=1)[0].rpartition("/")[0]
            root = path[:named] + fixed or "/"
            path = escape(path[:named]) + path[named:]
            match = _any_of([path])
            # A glob says itself what is wanted: what else is there needs no mention.
            for found in walk(fs, root, Skipped(), _may_hold(path), self.mask_suffix):
                # A key with `//` lies in a folder without a name, which no glob can write.
                plain = re.sub(r"(?<!:)//+", "/", found.path)
                if found.path.endswith("/") or match(found.path) or match(plain):
                    yield from self._file(_full(fs, found.path, uri), found)
        elif fs.isdir(path):
            for found in walk(fs, path, self.skipped, mask_suffix=self.mask_suffix):
                name = found.path.rpartition("/")[2]
                if not name or self._wanted(name.lower()):
                    yield from self._file(_full(fs, found.path, uri), found)
                else:
                    self.skipped.add(reason_of_other(name), found.path)
        elif missing:
            raise NoInputError(sentence_of(uri, missing))
        else:
            local = isinstance(fs, LocalFileSystem)
            found = found_at(path) if local else Found(path, version_of(fs.info(path)))
            full = _full(fs, path, uri)
            opened = self._open(full, found)
            # Photos of a folder have been paired with their masks; rows of a table are, one by one.
            yield from opened if suffix(full) in _READERS else map(self._with_mask, opened)

    def _file(self, uri: str, found: Found) -> Iterator[Source]:
        """Stream what a file of a folder or glob holds; its faults stay its own."""
        if found.is_mask:
            self.skipped.add(Skip.MASK, uri)
            return
        try:
            yield from self._open(uri, found)
        except Exception as error:
            yield unlisted(uri, error, found.version)

    def _open(self, uri: str, found: Found) -> Iterator[Source]:
        """Stream what one file holds: itself, or the inputs in it."""
        kind = suffix(uri)
        if found.error is not None:
            if uri.endswith("/") or kind in _READERS or kind == ".tar":
                raise found.error
            message = f"cannot read {redact(uri)}: {reason_of(found.error)}"
            yield faulty(uri, STORAGE, message, found.version)
        elif _COMPRESSED.search(without_query(uri)):
            raise InvalidArgumentError(
                "archive",
                expected="an uncompressed .tar, whose photos can be read one by one",
                actual=repr(redact(uri)),
                remedy="unpack it, or store it uncompressed (photos are compressed already)",
            )
        elif kind == ".tar":
            yield from list_archive(uri, found.version, self.skipped, self.mask_suffix)
        elif kind in _READERS:
            yield from map(self._with_mask, _READERS[kind](uri, found.version))
        elif found.mask is not None:
            folder, name = uri.rpartition("/")[0], found.mask.path.rpartition("/")[2]
            mask = Source(uri=f"{folder}/{name}", version=found.mask.version)
            yield Source(uri=uri, version=found.version, mask=mask)
        else:
            yield Source(uri=uri, version=found.version)

    def _with_mask(self, source: Source) -> Source:
        """Return a photo that was named itself with the mask that lies beside it, if one does."""
        if source.fault is not None or source.container is not None or source.mask is not None:
            return source
        if not self.mask_suffix or not is_local(source.uri):  # stores are not asked for each photo
            return source
        for stem in stems_of_photo(local_path(source.uri)):
            path = stem + self.mask_suffix
            if os.path.lexists(path):
                return replace(source, mask=Source(uri=path, version=found_at(path).version))
        return source

    def _nothing(self, error: Exception | None, held: Sequence[Source]) -> ItportraitError:
        """Return what is to be said where nothing was listed.

        Args:
            error: the first that kept an input of the call from being listed.
            held: all that could not be listed.
        """
        if isinstance(error, ItportraitError) and not isinstance(error, NoInputError):
            return error
        del self.skipped.counts[Skip.EMPTY]  # the sentence names the input already
        details = [source.fault.message for source in held[:1] if source.fault is not None]
        details += [f"{len(held) - 1} more could not be listed"] if len(held) > 1 else []
        details += [str(self.skipped)] if self.skipped.counts else []
        shown = ", ".join(repr(redact(uri)) for uri in self.uris) or "an empty list"
        patterns = " ".join(self.patterns[:_PATTERNS_SHOWN])
        more = len(self.patterns) - _PATTERNS_SHOWN
        patterns += f" and {more} more" if more > 0 else ""
        return NoInputError(
            f"no input found at {'; '.join([shown, *details])}; tried the patterns {patterns} in "
            "folders and below, list files (.txt, .lst), tables (.parquet) and archives (.tar); "
            "check the path, or give a glob such as 'photos/**/*.jpg'"
        )


def _any_of(patterns: Sequence[str]) -> Callable[[str], object]:
    return re.compile("|".join(glob_translate(pattern) for pattern in patterns)).match


def _may_hold(glob: str) -> Callable[[str], bool]:
    """Return a test of whether a folder may hold files that a glob means."""
    parts = glob.split("/")[:-1]
    deep = "**" in parts
    fixed = parts[: parts.index("**")] if deep else parts
    tests = [_any_of([part]) for part in fixed]

    def may_hold(folder: str) -> bool:
        names = folder.split("/")
        if len(names) > len(fixed) and not deep:
            return False
        return all(
            name == part or test(name)
            for name, part, test in zip(names, fixed, tests, strict=False)
        )

    return may_hold


def _missing(fs: AbstractFileSystem, path: str) -> OSError | None:
    """Return why there is no such file or folder, or None where there is one.

    `fs.exists` would call it missing where the store itself cannot be reached.
    """
    try:
        os.lstat(path) if isinstance(fs, LocalFileSystem) else fs.info(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        return error
    return None


def _version_at(uri: str) -> str:
    """Return the version of a file that could not be listed, "" where that fails as well."""
    try:
        fs, path = open_fs(uri)
        local = isinstance(fs, LocalFileSystem)
        return found_at(path).version if local else version_of(fs.info(path))
    except Exception:
        return ""


def _full(fs: AbstractFileSystem, path: str, given: str) -> str:
    """Return the URI of a path inside `fs`; local ones stay plain paths."""
    if is_local(given) or scheme(path):
        return path
    protocol = scheme(given)
    return f"{protocol}://{path.lstrip('/')}" if protocol != "memory" else f"memory://{path}"
