"""WebDataset archives: the photos of a tar file, read later one by one at their offsets."""

import json
import tarfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from itportrait.errors import NoInputError
from itportrait.io.formats import SUFFIXES
from itportrait.io.uris import open_fs, redact
from itportrait.records import Source

_SHAPES = {"landmarks": (5, 2), "crop": (3,), "camera": (25,)}


def list_archive(uri: str, version: str = "") -> Iterator[Source]:
    """Stream the photos of an uncompressed tar file, without reading them.

    Args:
        uri: the archive. Files that share a name up to its first dot are one sample: a picture
            and, optionally, a `.json` with `landmarks`, `crop` or `camera`.
        version: of the archive.

    Raises:
        NoInputError: the file is not a tar archive, or is cut short.
    """
    fs, path = open_fs(uri)
    try:
        file: Any = fs.open(path, "rb")
        with file, tarfile.open(fileobj=file, mode="r:") as archive:
            sample, parts = "", {}
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # tarfile would keep every header it has passed
                if not member.isfile():
                    continue
                folder, slash, name = member.name.rpartition("/")
                stem, _, kind = name.partition(".")
                if folder + slash + stem != sample:
                    yield from _sample(uri, version, parts)
                    sample, parts = folder + slash + stem, {}
                kind = kind.rpartition(".")[2].lower()
                if kind in SUFFIXES:
                    parts[kind] = (member.name, member.offset_data, member.size)
                elif kind == "json" and (found := archive.extractfile(member)) is not None:
                    parts["json"] = found.read()
            yield from _sample(uri, version, parts)
    except (tarfile.TarError, EOFError) as error:
        raise NoInputError(f"{redact(uri)} is not a whole tar archive: {error}") from error


def _sample(uri: str, version: str, parts: dict) -> Iterator[Source]:
    extra = _columns(parts.pop("json", b""))
    for name, offset, size in parts.values():
        yield Source(
            uri=f"{uri}#{name}",
            version=f"{version}:{offset}:{size}",
            container=uri,
            span=(offset, size),
            **extra,
        )


def _columns(data: bytes) -> dict[str, Any]:
    """Return what the sample's JSON brings along; other keys, and other JSON, are no concern."""
    try:
        values = json.loads(data) if data else {}
    except ValueError:
        return {}
    if not isinstance(values, dict):
        return {}
    found = {}
    for name, shape in _SHAPES.items():
        if isinstance(values.get(name), list):
            array = np.asarray(values[name], dtype=np.float64)
            if array.size == np.prod(shape):
                found[name] = array.reshape(shape)
    return found
