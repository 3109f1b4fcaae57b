"""List files: one URI a line."""

import codecs
import os
from collections.abc import Iterator
from typing import Any, cast

from itportrait.ingest.faults import BAD_COLUMNS, faulty
from itportrait.io.uris import beside, is_local, local_path, open_fs, redact
from itportrait.records import Source

_LONGEST = 2**16
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def list_lines(uri: str, version: str = "") -> Iterator[Source]:
    """Stream the inputs that a list file names; relative ones lie beside it.

    Args:
        uri: the list. Empty lines and comments, which begin with `#`, are passed over, and blanks
            around a name are left out, unless the very line is the name of a file (with blanks: of
            a local one).
        version: of the list; not of the inputs, whose own version is unknown.
    """
    fs, path = open_fs(uri)
    # A line may name a file whose name is not UTF-8: its bytes are passed on as they are.
    with fs.open(path, "rb") as file:
        first = cast(bytes, file.read(_LONGEST)).partition(b"\n")[0]
        # Windows' own tools write lists as UTF-16, with a mark at the begin. A name may begin with
        # the mark's bytes, too, but holds none of the zeros that UTF-16 gives dots and slashes.
        marked = first.startswith(_UTF16_MARKS) and b"\0" in first
        encoding = "utf-16" if marked else "utf-8-sig"
    errors = "replace" if encoding == "utf-16" else "surrogateescape"
    with fs.open(path, "rt", encoding=encoding, errors=errors) as lines:
        for number, line in enumerate(_lines(lines), 1):
            if line is None:
                message = f"line {number} of {redact(uri)} has more than {_LONGEST} characters"
                yield faulty(f"{uri}#line {number}", BAD_COLUMNS, message, version)
            elif (name := _name_in(line, uri)) is not None:
                yield Source(uri=beside(uri, name))


def _lines(file: Any) -> Iterator[str | None]:
    """Yield lines without their ends, None for one that is too long to be a name."""
    while line := str(file.readline(_LONGEST)):
        if line.endswith("\n"):
            yield line[:-1]
            continue
        rest = line
        while rest and not rest.endswith("\n"):
            rest = str(file.readline(_LONGEST))
            if rest:
                line = ""
        yield line or None


def _name_in(line: str, uri: str) -> str | None:
    """Return the name on a line, or None where there is none."""
    name = line.strip()
    # Stores are not asked about every line that ends in a blank: a million may.
    if line != name and line and is_local(beside(uri, line)) and _is_file(beside(uri, line)):
        return line
    if not name or (name.startswith("#") and not _is_file(beside(uri, name))):
        return None
    return name


def _is_file(uri: str) -> bool:
    try:
        if is_local(uri):
            path = local_path(uri)
            return os.path.lexists(path) and not os.path.isdir(path)
        fs, path = open_fs(uri)
        return fs.isfile(path)
    except Exception:  # no name that any store could hold
        return False
