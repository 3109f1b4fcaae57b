"""URIs as text: their parts, how they are joined, and how they are shown without credentials.

A local path is a path as the system knows it, whatever characters its name holds.
"""

import os
import posixpath
import re
from pathlib import Path

from itportrait.text import shown

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SHIPPED = re.compile(r"/runtime_resources/working_dir_files/[^/]+/")
_USERINFO = re.compile(r"(?<=://)[^/\s]+@")
_SECRET_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w-]*(?:signature|token|secret|password|credential|accesskeyid|api[_-]?key)|sig|key"
    r"|access_key)=)[^&;\s#'\"]+"
)


def redact(text: str) -> str:
    """Return `text` with users, passwords and signed query parameters of URIs replaced by ***.

    What comes out is valid text (see `shown`), whatever the names in it.
    """
    return _SECRET_PARAMETER.sub(r"\1***", _USERINFO.sub("***@", shown(text)))


def scheme(uri: str) -> str:
    """Return the scheme of a URI (`s3`, `https`, ...), or "" for a path of this machine."""
    match = SCHEME.match(uri)
    return "" if match is None or match[1] in ("file", "local") else match[1]


def is_local(uri: str) -> bool:
    """Tell whether the URI is a path of this machine."""
    return not scheme(uri)


def local_path(uri: str) -> str:
    """Return an absolute path for a path of this machine, with or without `file://` before it.

    Only a leading `~` and `./` have a meaning of their own; all other characters are the name's.
    """
    match = SCHEME.match(uri)
    path = os.path.expanduser(uri[match.end() :] if match else uri)
    if not path.startswith("/"):
        path = f"{os.getcwd()}/{path.removeprefix('./') if path != '.' else ''}"
    return path.rstrip("/") or "/"


def is_temporary_copy(path: str) -> bool:
    """Tell whether a path lies in Ray's copy of a submitted checkout, which is deleted after the
    job."""
    return _SHIPPED.search(os.path.realpath(path) + "/") is not None


def join(uri: str, *parts: str | int) -> str:
    """Append path components to a URI or a local path."""
    return "/".join([uri.rstrip("/"), *(str(part).strip("/") for part in parts)])


def beside(uri: str, name: str) -> str:
    """Return `name` as it is where it is absolute or a URI, else taken from the folder of `uri`."""
    if name.startswith("/") or SCHEME.match(name):
        return name
    if is_local(uri):
        return posixpath.normpath(posixpath.join(posixpath.dirname(local_path(uri)), name))
    return f"{without_query(uri).rpartition('/')[0]}/{name}"


def file_name(uri: str) -> str:
    """Return the last part of a URI's path; a query, which may be a signature, is no part of it."""
    return without_query(uri).rstrip("/").rpartition("/")[2]


def suffix(uri: str) -> str:
    """Return the lower-case ending of a URI's name, with its dot (`.parquet`), or ""."""
    return posixpath.splitext(file_name(uri))[1].lower()


def without_query(uri: str) -> str:
    """Return the URI up to its query; only an address of the web has one."""
    return re.split(r"[?#]", uri, maxsplit=1)[0] if scheme(uri) in ("http", "https") else uri


def absolute(uri: str) -> str:
    """Return the URI with a relative local path made absolute: workers run in other folders."""
    return str(Path(local_path(uri))) if is_local(uri) else uri


def rooted(uri: str, folder: str) -> str:
    """Return a place that a file of `folder` names: a relative path is taken from that folder."""
    if scheme(uri) or uri.startswith(("/", "~")):
        return absolute(uri)
    return absolute(join(folder, uri))
