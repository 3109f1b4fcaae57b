"""Open files of `torch.save`, old and new, without torch's loader; their tensors stay inside."""

import io
import zipfile
import zlib
from typing import Any, BinaryIO

import torch

from itportrait.errors import CheckpointError
from itportrait.weights import safe_pickle
from itportrait.weights.limits import Limits
from itportrait.weights.pickle_machine import Text
from itportrait.weights.safe_pickle import NestedStorageRecord
from itportrait.weights.stored import StorageRecord, dtype_of
from itportrait.weights.windows import Span, Window

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_PROTOCOL = 1001
_CHUNK = 1 << 20
_LARGEST_DIRECTORY = 1 << 21
_LARGEST_PICKLE = 1 << 24
_ENCRYPTED = 1


def read_legacy(window: Window, limits: Limits) -> Any:
    """Read what follows the magic number of torch's format before 1.6.

    Args:
        window: stands behind the magic number.
        limits: of the file.

    Returns:
        Containers and records; their storages still lie in the file.

    Raises:
        UnsafeCheckpointError, CheckpointError: as `safe_pickle.load`.
    """
    storages: dict[str, tuple[StorageRecord, list[Span]]] = {}

    def load_storage(pid: Any) -> StorageRecord:
        kind, key, count = _parse_storage_id(pid, view=True)
        if key not in storages:
            dtype, spans = dtype_of(kind), []
            length = count * dtype.itemsize
            storages[key] = StorageRecord(dtype, length, lambda: spans[0].read()), spans
        if storages[key][0].dtype != dtype_of(kind):
            raise CheckpointError("malformed: a storage has values of two types")
        return storages[key][0]

    if not _is(safe_pickle.load(window, limits), _LEGACY_PROTOCOL):
        raise CheckpointError("malformed: an unknown version of torch's format")
    system = safe_pickle.load(window, limits)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise CheckpointError("big-endian storages are not supported")
    content = safe_pickle.load(window, limits, load_storage)
    keys = safe_pickle.load(window, limits)
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise CheckpointError("malformed: the list of storages is none")
    if len(keys) != len(storages) or set(keys) != storages.keys():
        raise CheckpointError("truncated or malformed: the storages are not those of its tensors")
    for key in keys:
        storage, spans = storages[key]
        count = int.from_bytes(window.take(8), "little")
        if count != storage.count:
            raise CheckpointError(
                f"truncated or malformed: a storage has {count} values instead of {storage.count}"
            )
        spans.append(window.skip(storage.length))
    return content


def open_nested(record: NestedStorageRecord, limits: Limits) -> StorageRecord:
    """Return the storage in the bytes of one that was pickled as a file of its own.

    Raises:
        CheckpointError: the bytes are no such file.
    """
    if record.storage is None:
        payload = record.args[0]
        span = payload.to_bytes() if isinstance(payload, Text) else payload
        window = span.window()
        try:
            if not _is(safe_pickle.load(window, limits), LEGACY_MAGIC):
                raise CheckpointError("it is no file of torch")
            storage = read_legacy(window, limits)
        except CheckpointError as error:
            raise type(error)(f"a storage is malformed: {error}") from None
        if not isinstance(storage, StorageRecord):
            raise CheckpointError("a storage is malformed: it holds something else")
        record.storage = storage
    return record.storage


def read_zip(file: BinaryIO, limits: Limits) -> Any:
    """Read torch's format since 1.6: a zip of one pickle and the raw bytes of every storage.

    Returns:
        Containers and records; their storages still lie in the file.

    Raises:
        UnsafeCheckpointError, CheckpointError: as `safe_pickle.load`; encrypted, damaged,
            repeated or unusually packed entries are among them.
    """
    archive = _open_archive(file)
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise CheckpointError("malformed zip: two entries have one name")
    root = next((n.removesuffix("data.pkl") for n in names if n.endswith("/data.pkl")), None)
    if root is None:
        raise CheckpointError("no data.pkl inside: not a torch file")
    order = f"{root}byteorder"
    if order in names and _read_entry(archive, order, largest=16) != b"little":
        raise CheckpointError("big-endian storages are not supported")
    storages: dict[tuple[str, torch.dtype], StorageRecord] = {}

    def load_storage(pid: Any) -> StorageRecord:
        kind, key, _ = _parse_storage_id(pid)
        name, dtype = f"{root}data/{key}", dtype_of(kind)
        if (key, dtype) not in storages:
            storages[key, dtype] = StorageRecord(
                dtype, _entry(archive, name).file_size, lambda: _read_entry(archive, name)
            )
        return storages[key, dtype]

    data = _read_entry(archive, f"{root}data.pkl", largest=_LARGEST_PICKLE)
    return safe_pickle.load(Span.of(bytes(data)).window(), limits, load_storage)


def _is(value: Any, number: int) -> bool:
    return type(value) is int and value == number


def _parse_storage_id(pid: Any, *, view: bool = False) -> tuple[Any, str, int]:
    """Return type, key and number of values of torch's tuple for a storage."""
    if type(pid) is not tuple or len(pid) != 5 + view or type(pid[0]) is not str:
        raise CheckpointError("malformed: a storage is not named as torch names them")
    marker, kind, key, _, count = pid[:5]
    if marker != "storage" or type(key) is not str or type(count) is not int or count < 0:
        raise CheckpointError("malformed: a storage is not named as torch names them")
    if view and pid[5] is not None:
        raise CheckpointError("storages that are views of others are not supported")
    return kind, key, count


class _BoundedFile(io.RawIOBase):
    """The file for `zipfile`, which reads a directory of any size that the file claims."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > _LARGEST_DIRECTORY:
            raise CheckpointError(f"malformed zip: its directory has {size} bytes")
        return self._file.read(_LARGEST_DIRECTORY if size < 0 else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _open_archive(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_BoundedFile(file))  # type: ignore[arg-type]
    except CheckpointError:
        raise
    except Exception as error:  # zipfile raises what its parts raise, of damaged directories
        raise CheckpointError(f"truncated or malformed zip: {error}") from error


def _entry(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise CheckpointError(f"truncated or malformed zip: it has no entry {name!r}") from None
    if entry.flag_bits & _ENCRYPTED:
        raise CheckpointError(f"malformed zip: {name!r} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CheckpointError(
            f"malformed zip: {name!r} is packed by method {entry.compress_type}, "
            "expected stored or deflated"
        )
    return entry


def _read_entry(archive: zipfile.ZipFile, name: str, largest: int | None = None) -> bytearray:
    """Return an entry's bytes, as many as the directory says, with its checksum verified."""
    entry = _entry(archive, name)
    if largest is not None and entry.file_size > largest:
        raise CheckpointError(f"malformed zip: {name!r} has {entry.file_size} bytes")
    data = bytearray()
    try:
        with archive.open(entry) as stream:
            while part := stream.read(_CHUNK):
                data += part
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"truncated or malformed zip: {name!r}: {error}") from error
    except (NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"malformed zip: {name!r}: {error}") from error
    if len(data) != entry.file_size:
        raise CheckpointError(
            f"truncated or malformed zip: {name!r} has {len(data)} bytes of {entry.file_size}"
        )
    return data
