"""Commits: a shard of a stage is done when its marker exists, and holds what its marker says.

`ROOT/_commits/00012.json` names the files of shard 12, with their sizes and hashes, and bears the
fingerprint of all that determined them. File names carry a hash of their content, so two writers of
one shard cannot overwrite each other: the loser finds the marker taken and removes its own files.
Readers take their files from markers, never from a listing.
"""

import hashlib
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import pyarrow as pa

from itportrait.documents import build, parse_object
from itportrait.errors import ItportraitError
from itportrait.io import parquet, uris
from itportrait.io.names import check_path, numbers_of, resolve_under
from itportrait.io.parquet import PixelFormat, Row
from itportrait.records import Record

COMMITS = "_commits"


@dataclass(frozen=True)
class FileEntry:
    """A file of a commit: path under the table's root, size in bytes, hash of content, rows."""

    path: str
    size: int
    sha256: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The content of the marker of one shard of one stage."""

    stage: str
    shard: int
    fingerprint: str
    """Digest of recipe and inputs; where it is equal, nothing is to be done."""
    recipe: str
    """Digest of configuration, models and code version. Under an equal one, rows with equal keys
    are kept."""
    outputs: str
    """Digest of the rows' content without timings, which are inputs of the next stage."""
    files: dict[str, FileEntry] = field(default_factory=dict)
    """The files: `records`; `pixels` unless there are no pictures; `weights` and `fitted` if rows
    have any."""
    inputs: int = 0
    """Number of distinct inputs; `ok + rejected + failed` equals it."""
    ok: int = 0
    rejected: int = 0
    failed: int = 0
    rows_ok: int = 0
    """Number of rows that the next stage takes; several faces of one photo are several rows."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Number of rows by the type of their error."""
    seconds: float = 0.0
    """Seconds of computing, summed over the attempts whose results were kept."""
    computed: int = 0
    """Number of rows that were computed and not kept from an earlier commit."""
    sums: dict[str, list[float]] = field(default_factory=dict)
    """Sum and count of each measure over the rows that are ok."""
    photos: str = ""
    """For `align`, 16 hexadecimal digits of each photo's content in the order of the inputs; zeros
    where no portrait came of it."""
    precision: str = ""
    """What the generator computed with, joined by `+` where parts of it differ; absent where a
    stage has none, and in older markers."""
    committed_at: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any], source: str = "commit marker") -> "Commit":
        """Read what `asdict` wrote; keys of newer versions are left out.

        Raises:
            InvalidArgumentError: it did not, or a file of it lies outside of the table's folder.
        """
        commit = build(cls, data, source)
        for entry in commit.files.values():
            check_path(entry.path, f"a file of {source}")
        return commit


def _parse(data: bytes, source: str) -> Commit:
    return Commit.from_json(parse_object(data, source), source)


class CommitTakenError(Exception):
    """Another writer committed this shard first; carries what it committed."""

    def __init__(self, commit: Commit) -> None:
        super().__init__(f"shard {commit.shard} of {commit.stage} was committed by another writer")
        self.commit = commit


class StageTable:
    """The committed shards of one stage below `root`, e.g. `OUT/aligned`."""

    def __init__(self, root: str, record_type: type[Record]) -> None:
        self.root, self.record_type = root, record_type

    def place(self, kind: str) -> str:
        """Return the folder of one kind of files, as a path under the root."""
        return kind

    def marker(self, shard: int) -> str:
        """Return the URI of a shard's marker."""
        return uris.join(self.root, self.place(COMMITS), f"{shard:05d}.json")

    def shards(self) -> list[int]:
        """Return the numbers of all committed shards, in order."""
        names = uris.list_names(uris.join(self.root, self.place(COMMITS)))
        return numbers_of(names)

    def read_commit(self, shard: int) -> Commit | None:
        """Return a shard's commit, or None where there is none."""
        data = uris.read_json(self.marker(shard))
        return None if data is None else Commit.from_json(data, uris.redact(self.marker(shard)))

    def _file(self, entry: FileEntry) -> str:
        return resolve_under(self.root, entry.path, what="a file of a commit marker")

    def read_commits(self, shards: Sequence[int]) -> dict[int, Commit]:
        """Return the commits of several shards that have one, in one round where storage can."""
        markers = {self.marker(shard): shard for shard in shards}
        found = uris.read_many(markers)
        return {markers[uri]: _parse(data, uris.redact(uri)) for uri, data in found.items()}

    def discard(self, shard: int) -> None:
        """Remove a shard's marker, so that it counts as not computed; its files are swept later."""
        uris.remove(self.marker(shard))

    def remove_damaged(self, shard: int) -> None:
        """Remove the files of a shard that are not what its marker says, so that its stage finds
        them missing and computes the shard again."""
        commit = self.read_commit(shard)
        for entry in commit.files.values() if commit else ():
            try:
                self._read(entry)
            except DamagedFileError:
                uris.remove(self._file(entry))
            except FileNotFoundError:
                pass

    def commits(self) -> Iterator[Commit]:
        """Yield all commits in order of shards."""
        for shard in self.shards():
            if commit := self.read_commit(shard):
                yield commit

    def records(self, *, pixels: bool = False) -> Iterator[Record]:
        """Yield the records of all committed shards, in order, one shard in memory."""
        for commit in self.commits():
            for row in self.read_rows(commit, pixels=pixels):
                yield row.record

    def sizes(self) -> dict[str, int]:
        """Return the size of every file of the table, committed or not, by path under the root."""
        found: dict[str, int] = {}
        for kind in ("records", *parquet.APART):
            place = self.place(kind)
            sizes = uris.list_sizes(uris.join(self.root, place))
            found.update({f"{place}/{name}": size for name, size in sizes.items()})
        return found

    def write_rows(
        self,
        shard: int,
        rows: Sequence[Row],
        *,
        pixel_format: PixelFormat,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, FileEntry]:
        """Put the files of a shard, not yet committed, and read their footers back.

        Raises:
            OutputError: no space or no permission; names the path.
            OSError: what came back is not what was put; try again.
        """
        schema = parquet.record_schema(self.record_type, metadata=metadata)
        files = {
            "records": self._put(shard, "records", parquet.encode_records(rows, schema), len(rows))
        }
        pixels = parquet.encode_pixels(rows, self.record_type, pixel_format)
        if pixels is not None:
            files["pixels"] = self._put(shard, "pixels", pixels, _picture_count(rows))
        for kind in parquet.BLOBS:
            data = parquet.encode_blobs(rows, kind)
            if data is not None:
                count = sum(getattr(row.record, kind, None) is not None for row in rows)
                files[kind] = self._put(shard, kind, data, count)
        return files

    def _put(self, shard: int, kind: str, data: bytes, rows: int) -> FileEntry:
        digest = hashlib.sha256(data).hexdigest()
        name = f"{self.place(kind)}/part-{shard:05d}-{digest[:8]}.parquet"
        uri = uris.join(self.root, name)
        uris.put_bytes(uri, data)
        fs, path = uris.open_fs(uri)
        fs.invalidate_cache(fs._parent(path))
        size = fs.info(path)["size"]
        tail = fs.cat_file(path, start=max(size - _footer_bytes(data), 0), end=size)
        parquet.check_footer(cast(bytes, tail), size, rows)
        return FileEntry(name, len(data), digest, rows)

    def commit(self, commit: Commit, *, replaces: Commit | None = None) -> Commit:
        """Let a shard's files count: write its marker.

        Args:
            commit: what to write; its files have been put.
            replaces: the commit of other inputs or recipe that stands now; its files are removed
                afterwards. None: there is none, and of several writers one wins.

        Returns:
            The commit that stands.

        Raises:
            CommitTakenError: another writer was first; this one's files have been removed.
            OutputError: no space or no permission; an earlier commit stays valid.
        """
        data = uris.to_json(asdict(commit))
        if replaces is None:
            try:
                uris.create_bytes(self.marker(commit.shard), data)
            except FileExistsError:
                standing = self.read_commit(commit.shard)
                if standing is None:  # removed in between: ask again for the place
                    return self.commit(commit)
                self._remove_files(commit, keep=standing)
                raise CommitTakenError(standing) from None
        else:
            uris.put_bytes(self.marker(commit.shard), data)
            self._remove_files(replaces, keep=commit)
        return commit

    def _remove_files(self, commit: Commit, *, keep: Commit) -> None:
        kept = {entry.path for entry in keep.files.values()}
        for entry in commit.files.values():
            if entry.path not in kept:
                uris.remove(self._file(entry))

    def read_rows(
        self, commit: Commit, *, pixels: bool = True, keys: Container[str] | None = None
    ) -> list[Row]:
        """Return the rows of a commit, with what they keep in tables apart; pictures where asked.

        Args:
            commit: with its files.
            pixels: read the pictures, too.
            keys: of the rows that are wanted; None: all.

        Raises:
            DamagedFileError: a file is missing, truncated, or not what was committed.
            OSError: storage failed.
        """
        pictures = masks = None
        if pixels and "pixels" in commit.files:
            with self._whole(commit.files["pixels"]) as data:
                pictures, masks = parquet.read_pictures(data), parquet.read_masks(data)
        blobs: dict[str, dict[str, bytes]] = {}
        for kind in parquet.BLOBS:
            if kind in commit.files:
                with self._whole(commit.files[kind]) as data:
                    blobs[kind] = parquet.read_blobs(data)
        with self._whole(commit.files["records"]) as data:
            return parquet.decode_records(data, self.record_type, pictures, blobs, masks, keys=keys)

    def read_columns(self, commit: Commit, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return some columns of a commit's records, as plain values and without their pictures.

        Only these columns are read, so that a million rows can be looked through; for that the
        file's hash is not checked.

        Raises:
            DamagedFileError: the file is missing or truncated.
            OSError: storage failed.
        """
        with self._open(commit.files["records"]) as file:
            return parquet.read_columns(file, names)

    def count_picture_groups(self, commit: Commit) -> int:
        """Return the number of row groups of a commit's pictures.

        Raises:
            DamagedFileError: the file is missing or truncated.
            OSError: storage failed.
        """
        with self._open(commit.files["pixels"]) as file:
            return parquet.count_row_groups(file)

    def read_picture_group(
        self, commit: Commit, group: int, names: Sequence[str] = ("record_id", "data")
    ) -> list[tuple[Any, ...]]:
        """Return some columns of one row group of a commit's pictures, one tuple a picture.

        Only these are read, so that memory does not grow with the shard; for that the file's hash
        is not checked.

        Raises:
            DamagedFileError: the file is missing or truncated.
            OSError: storage failed.
        """
        with self._open(commit.files["pixels"]) as file:
            return parquet.read_picture_group(file, group, names)

    @contextmanager
    def _open(self, entry: FileEntry) -> Iterator[Any]:
        """Open a file of a commit; what is no whole Parquet file raises DamagedFileError."""
        fs, path = uris.open_fs(self._file(entry))
        with self._told(entry), fs.open(path, "rb") as file:
            yield file

    @contextmanager
    def _whole(self, entry: FileEntry) -> Iterator[bytes]:
        """Read a file of a commit, for a block that parses it, as `_open` does."""
        with self._told(entry):
            yield self._read(entry)

    @contextmanager
    def _told(self, entry: FileEntry) -> Iterator[None]:
        """Name the file of a commit that is missing or no Parquet file."""
        uri = uris.redact(self._file(entry))
        try:
            yield
        except FileNotFoundError as error:
            raise DamagedFileError(f"{uri} is gone") from error
        except pa.ArrowInvalid as error:
            raise DamagedFileError(f"{uri} is damaged: {error}") from error

    def _read(self, entry: FileEntry) -> bytes:
        uri = self._file(entry)
        data = uris.read_bytes(uri)
        if len(data) != entry.size:
            raise DamagedFileError(
                f"{uris.redact(uri)} is damaged: {len(data)} bytes in place of {entry.size}"
            )
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise DamagedFileError(f"{uris.redact(uri)} is damaged: its bytes were changed")
        return data

    def sweep(self, last_shard: int) -> list[str]:
        """Remove what no commit names: files of killed attempts, and shards past the last one.

        Only for the holder of the output's lease, once nothing is in flight.

        Returns:
            Paths removed, under the root.
        """
        removed = []
        named = set()
        for commit in self.commits():
            if commit.shard >= last_shard:
                self.discard(commit.shard)
                removed.append(f"{self.place(COMMITS)}/{commit.shard:05d}.json")
            else:
                named |= {entry.path for entry in commit.files.values()}
        for path in self.sizes():
            if path not in named:
                uris.remove(uris.join(self.root, path))
                removed.append(path)
        return removed

    def has_files(self, commit: Commit) -> bool:
        """Tell whether all files of a commit are there with their sizes, asking for each alone."""
        for entry in commit.files.values():
            fs, path = uris.open_fs(uris.join(self.root, entry.path))
            try:
                if fs.info(path)["size"] != entry.size:
                    return False
            except FileNotFoundError:
                return False
        return True

    def whole(self, commit: Commit, sizes: dict[str, int]) -> bool:
        """Tell whether all files of a commit are there with their sizes (see `sizes`)."""
        return all(sizes.get(entry.path) == entry.size for entry in commit.files.values())


class DamagedFileError(ItportraitError, OSError):
    """A committed file is gone or not what its marker says: its shard is to be computed again.

    Args:
        what: the file and what is wrong with it.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what}; remove it if it is there, and run the command that made it again, which "
            "computes its shard anew"
        )


def read_committed(
    root: str, record_type: type[Record], *, pixels: bool = False
) -> Iterator[Record]:
    """Yield the records of all committed shards below `root`, in order, one shard in memory."""
    return StageTable(root, record_type).records(pixels=pixels)


def strip_files(commit: Commit) -> Commit:
    """Return the commit without its files, for summaries that travel to the driver."""
    return replace(commit, files={})


def _picture_count(rows: Sequence[Row]) -> int:
    pictures = (getattr(row.record, "pixels", None) for row in rows)
    return sum(len(item) if isinstance(item, tuple) else item is not None for item in pictures)


def _footer_bytes(data: bytes) -> int:
    return int.from_bytes(data[-8:-4], "little") + 8
