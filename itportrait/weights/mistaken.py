"""Files that were given as weights by mistake: they are told by their first bytes."""

import os
from typing import BinaryIO

from itportrait.errors import CheckpointError
from itportrait.photos.formats import format_of_content

_LONGEST_HEAD = 1024
_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_OTHERS = (
    (b"PAR1", "a Parquet table"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x89HDF", "an HDF5 file; convert it to safetensors"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


def _begins_as_safetensors(head: bytes) -> bool:
    """Tell whether a file begins with the length of a header, in eight bytes, and the header.

    A length may read like the mark of another kind: 65,536 like that of ICO, 23,117 like `MZ`. None
    of those kinds has four zeros and a brace after it.
    """
    return head[4:9] == b"\0\0\0\0{"


def refuse_mistaken(file: BinaryIO) -> None:
    """Refuse a file that is plainly of another kind than weights; its position stays.

    Raises:
        CheckpointError: it is empty, a picture, a page of a failed download, a pointer of Git LFS,
            or another kind of file; says which.
    """
    at = file.tell()
    head = file.read(_LONGEST_HEAD)
    kind = _kind_of(head) or ("a text" if _is_text(file, head) else "")
    file.seek(at)
    if kind:
        raise CheckpointError(
            f"this is {kind}, no file of weights (expected a .pkl, .pt or .safetensors)"
        )


def _is_text(file: BinaryIO, head: bytes) -> bool:
    """Tell whether a file is written text; so may an old pickle be, whose last sign is a dot."""
    file.seek(-1, os.SEEK_END)
    if b"\n" not in head.rstrip() and b" " not in head:  # one word is a damaged pickle
        return False
    words = head.decode("utf-8", "ignore")
    whole = len(words.encode()) > len(head) - 4  # a letter may be cut at the end
    return whole and all(c.isprintable() or c.isspace() for c in words) and file.read(1) != b"."


def _kind_of(head: bytes) -> str:
    """Return what a file is in words, or "" where it may be weights."""
    if not head:
        return "an empty file"
    if _begins_as_safetensors(head):
        return ""
    if head.startswith(_POINTER):
        return "a pointer of Git LFS; fetch the file itself with `git lfs pull`"
    if head.lstrip().lower().startswith(_PAGES):
        return "a web page, as a failed download leaves it; download the file again"
    for mark, name in _OTHERS:
        if head.startswith(mark):
            return name
    picture = format_of_content(head)
    return f"a picture ({picture.name})" if picture else ""
