"""List files: one URI a line."""

import posixpath
from collections.abc import Iterator

from itportrait.io.uris import open_fs
from itportrait.records import Source


def list_lines(uri: str, version: str = "") -> Iterator[Source]:
    """Stream the inputs that a list file names; relative ones lie beside it.

    Args:
        uri: the list; empty lines and lines that begin with `#` are passed over.
        version: of the list; not of the inputs, whose own version is unknown.
    """
    fs, path = open_fs(uri)
    with fs.open(path, "rt", encoding="utf-8-sig") as lines:
        for line in lines:
            name = str(line).strip()
            if name and not name.startswith("#"):
                yield Source(uri=beside(uri, name))


def beside(uri: str, name: str) -> str:
    """Return `name` as it is if absolute or a URI, else in the folder of `uri`."""
    if "://" in name or name.startswith("/"):
        return name
    folder = uri.split("?", 1)[0].rpartition("/")[0]
    return posixpath.normpath(f"{folder}/{name}") if "://" not in uri else f"{folder}/{name}"
