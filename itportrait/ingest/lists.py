"""List files: one URI a line."""

from collections.abc import Iterator

from itportrait.io.uris import beside, open_fs
from itportrait.records import Source


def list_lines(uri: str, version: str = "") -> Iterator[Source]:
    """Stream the inputs that a list file names; relative ones lie beside it.

    Args:
        uri: the list; empty lines and lines that begin with `#` are passed over.
        version: of the list; not of the inputs, whose own version is unknown.
    """
    fs, path = open_fs(uri)
    # A line may name a file whose name is not UTF-8: its bytes are passed on as they are.
    with fs.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape") as lines:
        for line in lines:
            name = str(line).strip()
            if name and not name.startswith("#"):
                yield Source(uri=beside(uri, name))
