"""Text that any store can hold, for names that are not UTF-8.

The names of files are bytes. Python passes on the bytes that are not UTF-8 as surrogates
(`surrogateescape`), so a name still opens its file, also after it was sent to another process. Such
text cannot be printed, nor written to Parquet, JSON or HTML, so `shown` makes valid text of it.
"""

import codecs
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

_UNENCODABLE = re.compile("[\ud800-\udfff]")
_SHOWN_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")
_HANDLER = "itportrait.shown"


def shown(text: str) -> str:
    r"""Return valid text: bytes of a name that are not UTF-8 become `\xff`, the rest stays.

    A person can read the name's bytes off it, and `restored` finds the file again.
    """
    return _UNENCODABLE.sub(_escape, text)


def restored(path: str) -> str:
    """Return the local path that `shown` was given, so that its file can be opened.

    A file that has the very text as its name is the one that is meant.
    """
    if not _SHOWN_BYTE.search(path) or os.path.lexists(path):
        return path
    return _SHOWN_BYTE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), path)


def name_bytes(text: str) -> bytes:
    """Return the bytes that a name is hashed by: UTF-8, also where the name itself is not."""
    return text.encode("utf-8", "surrogatepass")


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Give errors of the block valid text, those that caused them too; their types stay.

    Ray ends the process of a task whose error it cannot encode.
    """
    try:
        yield
    except Exception as error:
        _make_readable(error)
        raise


def _make_readable(error: BaseException) -> None:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        following = following.__cause__ or following.__context__
    for one in seen:
        one.args = tuple(shown(part) if isinstance(part, str) else part for part in one.args)
        if isinstance(one, OSError) and isinstance(one.strerror, str):
            one.strerror = shown(one.strerror)
        for name, value in vars(one).items():
            if isinstance(value, str):
                setattr(one, name, shown(value))


def show_any_text(*streams: TextIO) -> None:
    """Let the streams of a program (standard output and error) print any name, as `shown` does."""
    for stream in streams or (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)  # type: ignore[attr-defined]


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    # A terminal that is not UTF-8 lacks other characters too.
    return shown(part).encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(_HANDLER, _replace)
