"""Files and folders that a listing ignores on purpose, counted by reason, with a few names each."""

from collections import Counter
from enum import StrEnum

from itportrait.io.uris import redact
from itportrait.photos.formats import format_of_name

_NAMES_KEPT = 5
_SYSTEM = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "$recycle.bin",
    "system volume information", "lost+found",
}  # fmt: skip
_SIDECARS = (
    ".json", ".txt", ".xmp", ".xml", ".csv", ".tsv", ".md", ".html", ".yaml", ".yml", ".toml",
    ".ini", ".log", ".aae", ".thm", ".cls", ".caption", ".npy", ".npz", ".sha256", ".md5",
)  # fmt: skip
_CONTAINERS = (
    ".parquet", ".pq", ".lst", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst",
    ".zip", ".7z", ".rar",
)  # fmt: skip


class Skip(StrEnum):
    """Why a file or folder is not an input."""

    HIDDEN = "hidden"
    """The name begins with a dot. A hidden folder is ignored with everything in it."""
    SYSTEM = "system"
    """The file or folder belongs to an operating system, such as `Thumbs.db`, `desktop.ini` or
    `__MACOSX`."""
    SIDECAR = "sidecar"
    """The file is text beside pictures: labels, captions, metadata."""
    MASK = "mask"
    """The file is the mask of a photo beside it, and is read with the photo."""
    CONTAINER = "container"
    """The file is an archive, a table or a list in a folder; it is opened only where it is named
    itself or by a glob."""
    NO_PICTURE = "no_picture"
    """The name belongs to no picture format."""
    PATTERN = "pattern"
    """The picture matches none of `ingest.patterns`."""
    LOOP = "loop"
    """The link leads to a folder that the link itself lies in."""
    EMPTY = "empty"
    """The input is one of several of the call, and there is nothing in it."""


class Skipped:
    """Counts of ignored files by reason; memory holds the counts and a few names of each reason."""

    def __init__(self) -> None:
        self.counts: Counter[Skip] = Counter()
        self.names: dict[Skip, list[str]] = {}

    def add(self, reason: Skip, name: str) -> None:
        """Count one file or folder."""
        self.counts[reason] += 1
        names = self.names.setdefault(reason, [])
        if len(names) < _NAMES_KEPT:
            names.append(redact(name))

    def to_json(self) -> dict[str, dict]:
        """Return plain data for run.json: count and a few names for each reason."""
        return {
            str(reason): {"count": count, "names": self.names[reason]}
            for reason, count in self.counts.most_common()
        }

    def __str__(self) -> str:
        parts = []
        for reason, count in self.counts.most_common():
            names = [name.rstrip("/").rpartition("/")[2] for name in self.names[reason]]
            more = ", ..." if count > len(names) else ""
            parts.append(f"{count} {reason} ({', '.join(names)}{more})")
        return f"{self.counts.total()} skipped: {', '.join(parts)}"


def reason_to_pass(name: str) -> Skip | None:
    """Return why a file or folder of this name is never looked at, or None where it is."""
    if name.lower() in _SYSTEM:
        return Skip.SYSTEM
    return Skip.HIDDEN if name.startswith(".") else None


def reason_of_other(name: str) -> Skip:
    """Return why a file that is none of the wanted pictures is not an input."""
    lower = name.lower()
    if format_of_name(name) is not None:
        return Skip.PATTERN
    if lower.endswith(_SIDECARS):
        return Skip.SIDECAR
    return Skip.CONTAINER if lower.endswith(_CONTAINERS) else Skip.NO_PICTURE
