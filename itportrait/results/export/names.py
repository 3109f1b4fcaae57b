"""Names of exported pictures: templates over what is known of them, portable, and each once."""

import sqlite3
import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.io.names import DEVICE, FORBIDDEN, INVISIBLE, check_path
from itportrait.io.uris import suffix, without_query
from itportrait.photos.formats import format_of_name
from itportrait.results.export.row import ExportRow

DEFAULT_TEMPLATE = "{stem}-{record_id}-{style}-{view}"
_LONGEST_STEM, _LONGEST_FOLDER, _LONGEST_PART = 100, 60, 230
"""Bytes of UTF-8; a file's ending and a number behind a name that was taken go on top of them."""
_NOT_FIRST = ".-=+@~"
"""Signs that hide a file, look like an option, or begin a formula in a spreadsheet."""
_CONTAINERS = frozenset((".tar", ".tgz", ".gz", ".parquet", ".zip"))


def _angle(degrees: float | None) -> str:
    return "unknown" if degrees is None else f"{round(degrees):+d}"


_FIELDS = {
    "stem": lambda row: clean(_photo_name(row.uri)[1], _LONGEST_STEM),
    "folder": lambda row: clean(_photo_name(row.uri)[0], _LONGEST_FOLDER),
    "record_id": lambda row: clean(row.record_id, _LONGEST_FOLDER),
    "face": lambda row: str(row.face_index),
    "style": lambda row: row.style,
    "version": lambda row: clean(row.version, _LONGEST_STEM),
    "view": lambda row: clean(row.kind, _LONGEST_STEM) if row.view is None else str(row.view),
    "yaw": lambda row: _angle(row.yaw_deg),
    "pitch": lambda row: _angle(row.pitch_deg),
}
FIELDS = tuple(_FIELDS)
"""What a template may name."""


@dataclass(frozen=True)
class Template:
    """A name for every picture, such as `{stem}-{record_id}-{style}-{view}`; `/` makes folders.

    Args:
        text: with fields of `FIELDS` in braces.

    Raises:
        UnknownNameError: a field is not known; lists the known ones.
        InvalidArgumentError: it names no field, has more than a name between braces, or makes no
            relative path.
    """

    text: str = DEFAULT_TEMPLATE

    def __post_init__(self) -> None:
        try:
            parts = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise self._refusal(f"{self.text!r} ({error})") from None
        fields = [(name, spec, how) for _, name, spec, how in parts if name is not None]
        for name, spec, how in fields:
            if spec or how:
                raise self._refusal(f"{self.text!r}, which says how to write {name!r}")
            if name not in FIELDS:
                raise UnknownNameError("template field", name, list(FIELDS))
        if not fields:
            raise self._refusal(repr(self.text))
        known = ExportRow(uri="photo.png", record_id="0", style="style", version="1", view=0)
        check_path(self._filled(known), "template")

    def _refusal(self, actual: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            "template",
            expected=f"a name with fields such as {DEFAULT_TEMPLATE}",
            actual=actual,
            remedy=f"fields are {', '.join(FIELDS)}",
        )

    def name(self, row: ExportRow) -> str:
        """Return a picture's name without an ending: a path that any system can have."""
        parts = [clean(part, _LONGEST_PART) for part in self._filled(row).split("/")]
        return check_path("/".join(parts), "name of a picture")

    def _filled(self, row: ExportRow) -> str:
        values = {name: make(row) for name, make in _FIELDS.items()}
        return self.text.format_map(values)


def clean(text: str, longest: int) -> str:
    """Return a text as a part of a path: portable characters, and so many bytes at most.

    Letters of any script stay. What some system forbids becomes `_`, as do control characters and
    first signs that mean something to a shell or a spreadsheet.
    """
    plain = "".join(
        "_" if sign in FORBIDDEN or sign == "/" or unicodedata.category(sign) in INVISIBLE else sign
        for sign in unicodedata.normalize("NFC", text)
    )
    plain = plain.encode()[:longest].decode(errors="ignore").rstrip(". ").lstrip(" ")
    if not plain:
        return "unnamed"
    if plain[0] in _NOT_FIRST:
        plain = "_" + plain[1:]
    return f"_{plain}" if DEVICE.fullmatch(plain) else plain


def _photo_name(uri: str) -> tuple[str, str]:
    """Return the folder and the stem of a photo, or of its name in an archive or a table."""
    place, mark, inside = uri.rpartition("#")
    if mark and suffix(place) in _CONTAINERS:
        place = f"{place}/{inside}" if "/" not in inside else f"/{inside}"
    else:
        place = without_query(uri)
    folder, _, name = place.rstrip("/").rpartition("/")
    stem = name.rpartition(".")[0] if format_of_name(name) is not None else name
    return folder.rpartition("/")[2], stem


class Names:
    """Gives each name once, also where systems take two names for one: `a`, `A-2`, `a-3`.

    Those that are given lie in a database on the disk, so that memory does not grow with them.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # "": temporary, on the disk
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE names (name TEXT PRIMARY KEY, next INTEGER)")
        self.numbered = 0
        for name in taken:
            self._take(name)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the database."""
        self._database.close()

    def claim(self, name: str, ending: str = "") -> str:
        """Return the name, or with a number behind it where it was given before.

        Args:
            name: without its ending.
            ending: with its dot; names of other endings are other names.
        """
        if self._take(name + ending):
            return name
        self.numbered += 1
        key = _key(name + ending)
        (number,) = self._database.execute("SELECT next FROM names WHERE name=?", (key,)).fetchone()
        while not self._take(f"{name}-{number}{ending}"):
            number += 1
        self._database.execute("UPDATE names SET next=? WHERE name=?", (number + 1, key))
        return f"{name}-{number}"

    def _take(self, name: str) -> bool:
        statement = "INSERT OR IGNORE INTO names VALUES (?, 2)"
        return self._database.execute(statement, (_key(name),)).rowcount == 1


def _key(name: str) -> str:
    """Return what is equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
