"""Facts about picture files that must be known before Pillow reads them."""

import struct
from collections.abc import Iterator

PNG_MARK = b"\x89PNG\r\n\x1a\n"
_ICON_MARK = b"\0\0\1\0"
_NEEDED = (b"tRNS", b"eXIf")
_PROFILE = b"iCCP"


def without_notes(data: bytes) -> tuple[bytes, bool]:
    """Leave out those parts of a PNG that say something about it and are no part of its picture.

    Pillow refuses a PNG whose texts or color profile are damaged, or inflate to megabytes. Its
    pixels are whole all the same.

    Returns:
        The file without its notes (the same bytes where it is no PNG, or has none), and whether a
        color profile was among them.
    """
    if not data.startswith(PNG_MARK):
        return data, False
    kept, had_profile = [PNG_MARK], False
    for name, chunk in _chunks(data):
        if name[:1].isupper() or name in _NEEDED:
            kept.append(chunk)
        had_profile |= name == _PROFILE
    return b"".join(kept), had_profile


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the whole of each chunk of a PNG; the last may be cut short."""
    start = len(PNG_MARK)
    while start + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, start)
        yield name, data[start : start + 12 + size]
        start += 12 + size


def icon_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the width and height of each picture in an icon, as the pictures themselves say.

    The list of an icon has one byte for each, so it says nothing of a picture that is larger.
    """
    if not data.startswith(_ICON_MARK):
        return
    (count,) = struct.unpack_from("<H", data.ljust(6, b"\0"), 4)
    for index in range(count):
        entry = 6 + 16 * index
        if entry + 16 > len(data):
            return
        (start,) = struct.unpack_from("<I", data, entry + 12)
        head = data[start : start + 24].ljust(24, b"\0")
        if head.startswith(PNG_MARK):
            yield struct.unpack_from(">II", head, 16)
        else:
            width, height = struct.unpack_from("<ii", head, 4)
            yield abs(width), abs(height)
