"""Names from files of other people: one check for all of them, and one way from a name to a
place.

Bundles, banks, markers and tables name files and folders. Whoever made them must not choose where
this program reads, writes or removes: a name is checked, and its place must lie below the folder
that it belongs to, links included.
"""

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from itportrait.errors import InvalidArgumentError
from itportrait.io import uris

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Form of the names of domains and versions, which become folders, tables, runs and registered
models."""
LONGEST_DOMAIN, LONGEST_VERSION = 64, 128

_LONGEST_PART, _LONGEST_PATH, _MOST_PARTS = 255, 1024, 32
FORBIDDEN = frozenset('\\:*?"<>|')
"""Characters that some system forbids in names, such as a drive's colon or a pattern's star."""
INVISIBLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Unicode categories of control characters, bytes that are not UTF-8, and ends of lines and
paragraphs."""
_NUMBERED = re.compile(r"[0-9]{1,18}\.json")
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")


def check_name(name: object, what: str, *, longest: int = LONGEST_VERSION) -> str:
    """Return a name that may become a folder, such as that of a domain or a version.

    Args:
        name: as the file has it, of any type.
        what: what errors call it.
        longest: characters it may have.

    Raises:
        InvalidArgumentError: it is no text, too long, or has other characters than letters, digits
            and `._-`, a letter or digit first.
    """
    plain = isinstance(name, str) and len(name) <= longest and _NAME.fullmatch(name)
    if isinstance(name, str) and plain and not DEVICE.fullmatch(name):
        return name
    raise InvalidArgumentError(
        what,
        expected=f"a name of letters, digits and ._- (a letter or digit first, {longest} at most)",
        actual=_shown(name),
    )


def check_domain(name: object) -> str:
    """Return the name of a style domain.

    Raises:
        InvalidArgumentError: see `check_name`.
    """
    return check_name(name, "domain", longest=LONGEST_DOMAIN)


def check_path(path: object, what: str) -> str:
    """Return a path that may be taken below a folder: relative, and portable to any storage.

    Args:
        path: as the file has it, of any type; parts are separated by `/`.
        what: what errors call it.

    Raises:
        InvalidArgumentError: it is absolute or has `..`, an empty part, a drive, a backslash, a
            control character, a device's name, or is too long; says which.
    """
    reason = _path_problem(path)
    if reason or not isinstance(path, str):
        raise InvalidArgumentError(
            what,
            expected="a relative path inside its own folder",
            actual=f"{_shown(path)} ({reason})",
            remedy="do not use this file unless you trust whoever made it",
        )
    return path


def _path_problem(path: object) -> str:
    if not isinstance(path, str):
        return "no text"
    if len(path) > _LONGEST_PATH:
        return f"longer than {_LONGEST_PATH} characters"
    parts = path.split("/")
    if len(parts) > _MOST_PARTS:
        return f"more than {_MOST_PARTS} folders deep"
    for part in parts:
        if not part:
            return "empty" if not path else "absolute" if path[0] == "/" else "an empty part"
        if part[-1] in ". ":
            return f"the part {_shown(part)}"
        if not FORBIDDEN.isdisjoint(part):
            return "a character that not every system has in names"
        if any(unicodedata.category(sign) in INVISIBLE for sign in part):
            return "a control character, or bytes that are no text"
        if len(part.encode()) > _LONGEST_PART:
            return f"a part longer than {_LONGEST_PART} bytes"
        if DEVICE.fullmatch(part):
            return "the name of a device"
    return ""


def resolve_under(root: str, *parts: str, what: str = "name") -> str:
    """Return the URI of a path below a folder, after checking that it lies there.

    Args:
        root: the folder, on this machine or elsewhere; itself trusted.
        parts: relative paths, joined; each may come from a file of other people.
        what: what errors call them.

    Raises:
        InvalidArgumentError: a part is not a relative path, a link leads out of the folder, or
            what lies there is a device or a pipe.
    """
    for part in parts:
        check_path(part, what)
    if uris.is_local(root):
        _check_place(uris.open_fs(root)[1], "/".join(parts), what)
    return uris.join(root, *parts)


def resolve_local(root: Path, name: str, *, what: str = "name") -> Path:
    """Return the path of a file below a folder of this machine; see `resolve_under`."""
    check_path(name, what)
    _check_place(str(root), name, what)
    return root / name


def _check_place(root: str, name: str, what: str) -> None:
    base = os.path.realpath(root)
    place = os.path.realpath(os.path.join(base, name))
    if os.path.commonpath((base, place)) != base:
        raise InvalidArgumentError(
            what,
            expected=f"a path inside {root}",
            actual=f"{name!r}, which a symbolic link leads to {place}",
            remedy="put the file itself there in place of the link",
        )
    try:
        mode = os.stat(place).st_mode
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR) or not os.path.isdir(base):
            return  # nothing there yet, or nothing that can be opened: whoever opens it says so
        mode = 0
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InvalidArgumentError(
            what, expected="a file or a folder", actual=f"{name!r}: a loop, a pipe or a device"
        )


def numbers_of(names: Iterable[str]) -> list[int]:
    """Return the sorted numbers of files with names such as `00012.json`; other names are
    ignored."""
    return sorted(int(name[:-5]) for name in names if _NUMBERED.fullmatch(name))


def _shown(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters)"
