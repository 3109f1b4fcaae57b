"""Run an export: begin it, go on with it where it was stopped, and never mix two in one folder.

`FOLDER/_export/state.json` bears the fingerprint of what is exported and how; it is written first.
The parts that are there are kept, and the pictures of the rest are read. A part of which a file is
gone is made again, with those behind it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from typing import Any

import pyarrow.parquet as pq

from itportrait.config import fingerprint
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.image import decode, encode
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.results.export.layouts import ENDINGS, LAYOUTS, Layout
from itportrait.results.export.names import Names, Template
from itportrait.results.export.pictures import Picture, StylizedPictures

EXPORT_VERSION = 1
"""Version of the code that makes exports; it is raised when their bytes change."""
FOLDER, STATE = "_export", "_export/state.json"
DEFAULT_SHARD_MB, MOST_SHARD_MB = 128, 2048
_QUALITY = 92
"""Of pictures that are encoded anew, as JPEG or WebP."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is exported, where to, and how.

    Args:
        pictures: of an output.
        destination: folder or URI of the export.
        to: one of `LAYOUTS`.
        template: of the pictures' names.
        format: encoding of the pictures: one of `ENDINGS`, or "" for that of the tables.
        shard_mb: size at which a shard ends, in MB of pictures.

    Raises:
        UnknownNameError: there is no such form or encoding; lists the known ones.
        InvalidArgumentError: the size is out of its range, or the destination is a table of the
            output.
    """

    pictures: StylizedPictures
    destination: str
    to: str = "files"
    template: Template = field(default_factory=Template)
    format: str = ""
    shard_mb: int = DEFAULT_SHARD_MB

    def __post_init__(self) -> None:
        if self.to not in LAYOUTS:
            raise UnknownNameError("form of an export", self.to, list(LAYOUTS))
        if self.format and self.format not in ENDINGS:
            raise UnknownNameError("picture format", self.format, list(ENDINGS))
        if not 1 <= self.shard_mb <= MOST_SHARD_MB:
            raise InvalidArgumentError(
                "shard size", expected=f"1 to {MOST_SHARD_MB} MB", actual=self.shard_mb
            )
        if self.pictures.deliverables and not LAYOUTS[self.to].takes_deliverables:
            raise InvalidArgumentError(
                "deliverables", expected="exported to files", actual=f"to {self.to}"
            )
        source = uris.absolute(self.pictures.output).rstrip("/")
        place = uris.absolute(self.destination).rstrip("/")
        if any(f"{place}/".startswith(f"{source}/{name}/") for name in _TABLES):
            raise InvalidArgumentError(
                "destination",
                expected="a folder outside of the tables",
                actual=repr(uris.redact(self.destination)),
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Return what was asked for, as the state of an export keeps it."""
        return {
            "output": uris.redact(uris.absolute(self.pictures.output)),
            "to": self.to,
            "template": self.template.text,
            "domains": list(self.pictures.domains),
            "views": list(self.pictures.views),
            "deliverables": self.pictures.deliverables,
            "format": self.format,
            "shard_mb": self.shard_mb,
        }

    @property
    def fingerprint(self) -> str:
        """Return a digest of all that determines the export's bytes, wherever the tables lie."""
        settings = {name: value for name, value in self.settings.items() if name != "output"}
        return fingerprint(EXPORT_VERSION, settings, self.pictures.fingerprint)

    @property
    def layout(self) -> Layout:
        """Return the form."""
        return LAYOUTS[self.to](self.destination)


_TABLES = ("aligned", "inverted", "stylized")


@dataclass(frozen=True)
class ExportResult:
    """What an export holds when it is done."""

    destination: str
    to: str
    domains: tuple[str, ...]
    pictures: int
    parts: int
    written: int
    """Number of pictures that this run wrote; the others were there."""
    numbered: int
    """Number of pictures of this run whose name was taken, so that it got a number behind it."""
    outdated: int
    """Number of deliverables that were left out, since their portraits were stylized anew since."""


def run_export(
    export: Export, on_part: Callable[[int], None] = lambda pictures: None
) -> ExportResult:
    """Bring an export to its end, from wherever an earlier run left it.

    Args:
        export: what is wanted.
        on_part: called after each part with the number of pictures that are there.

    Raises:
        InvalidArgumentError: the folder holds something else, or another export, or cannot be
            written, or the tables changed in the meantime.
        OutputError: no space or no permission; names the path.
        OSError: a table cannot be read.
    """
    target = export.fingerprint
    state = _standing(export, target)
    layout = export.layout
    damaged, whole = _damaged(layout, state) if state else ([], False)
    if state is not None and state.get("finished") and whole:
        return _result(export, state["pictures"], state["parts"])
    uris.check_place(export.destination, "DEST")
    with Lease(uris.join(export.destination, FOLDER), what="itportrait export") as lease:
        _write_state(export, target, finished=False)
        for number in damaged:
            uris.remove(uris.join(layout.root, layout.part.format(number)))
        standing = list(_sizes_of_parts(layout))
        pictures = sum(standing)
        with Names(_names_of_parts(layout, len(standing))) as names:
            number, written = len(standing), 0
            stream = _named(export, layout, export.pictures.stream(pictures), names)
            for part in _parts(stream, layout, export.shard_mb):
                lease.check()
                layout.write(number, part)
                number, written = number + 1, written + len(part)
                on_part(pictures + written)
            _check_unchanged(export, target)
            layout.finish(number)
            _write_state(export, target, finished=True, pictures=pictures + written, parts=number)
            done = _result(export, pictures + written, number, written, names.numbered)
    uris.remove(uris.join(export.destination, FOLDER, "_lease"), recursive=True)
    return done


def _result(
    export: Export, pictures: int, parts: int, written: int = 0, numbered: int = 0
) -> ExportResult:
    place = uris.redact(export.destination)
    found = export.pictures
    return ExportResult(
        place, export.to, found.domains, pictures, parts, written, numbered, found.outdated()
    )


def _standing(export: Export, target: str) -> dict[str, Any] | None:
    """Return the state of this very export, or None where the folder is empty.

    Raises:
        InvalidArgumentError: the folder holds something else.
    """
    place = uris.redact(export.destination)
    state = uris.read_json(uris.join(export.destination, STATE))
    if state is None:
        found = [name for name in uris.list_names(export.destination) if name != FOLDER]
        if found:
            fs, path = uris.open_fs(export.destination)
            held = f"which holds {', '.join(found[:3])}{' and more' if len(found) > 3 else ''}"
            raise InvalidArgumentError(
                "destination",
                expected="an empty folder, or one that an earlier call of this very export began",
                actual=f"{place}, {'a file' if fs.isfile(path) else held}",
                remedy="choose another folder",
            )
        return None
    if state.get("fingerprint") != target:
        raise InvalidArgumentError(
            "destination",
            expected="a new folder, or one of this very export",
            actual=f"{place}, which holds another one: {_difference(export, state)}",
            remedy="choose another folder, or remove this one",
        )
    return state


def _damaged(layout: Layout, state: dict[str, Any]) -> tuple[list[int], bool]:
    """Return the parts that are there without all of their files, and whether nothing is gone.

    Files are looked for in one listing; pictures are not read.
    """
    there = set(uris.list_tree(layout.root))
    parts = state["parts"] if state.get("finished") else _first_absent(layout, there)
    standing = [number for number in range(parts) if layout.part.format(number) in there]
    damaged = [number for number in standing if not there.issuperset(layout.files(number))]
    whole = len(standing) == parts and not damaged and there.issuperset(layout.beside)
    return damaged, whole


def _first_absent(layout: Layout, there: set[str]) -> int:
    return next(number for number in count() if layout.part.format(number) not in there)


def _check_unchanged(export: Export, target: str) -> None:
    """Refuse to finish what was read from tables that were not the same all the time.

    Raises:
        InvalidArgumentError: a job has changed them since the export began.
    """
    if export.fingerprint != target:
        raise InvalidArgumentError(
            "output",
            expected="tables that stay as they are while they are exported",
            actual=f"{uris.redact(export.pictures.output)}, whose tables changed in the meantime",
            remedy=f"wait until the job has ended, remove {uris.redact(export.destination)}, and "
            "export again",
        )


def _difference(export: Export, state: dict[str, Any]) -> str:
    """Say in what the export in a folder differs from the one that is wanted."""
    former = state.get("settings") or {}
    found = [
        f"{name} {former.get(name)!r} in place of {value!r}"
        for name, value in export.settings.items()
        if former.get(name) != value
    ]
    return ", ".join(found) or "of the same tables with other contents"


def _write_state(export: Export, target: str, **about: Any) -> None:
    state = {"fingerprint": target, "settings": export.settings, **about}
    uris.put_bytes(uris.join(export.destination, STATE), uris.to_json(state))


def _sizes_of_parts(layout: Layout) -> Iterator[int]:
    """Yield the number of pictures of each part that is there, up to the first that is not."""
    for number in count():
        fs, path = uris.open_fs(uris.join(layout.root, layout.part.format(number)))
        try:
            with fs.open(path, "rb") as file:
                yield pq.read_metadata(file).num_rows
        except FileNotFoundError:
            return


def _names_of_parts(layout: Layout, parts: int) -> Iterator[str]:
    """Yield the names that the pictures of the parts have, as they were claimed."""
    for number in range(parts):
        yield from map(layout.claimed, layout.named(number))


def _named(
    export: Export, layout: Layout, pictures: Iterable[Picture], names: Names
) -> Iterator[Picture]:
    """Give each picture its name and its encoding."""
    for picture in pictures:
        row, encoding, data = picture.row, picture.encoding, picture.data
        if row.kind == "view" and export.format not in ("", encoding):
            encoding = export.format
            data = encode(decode(data), encoding, _QUALITY)
        ending = f".{ENDINGS.get(encoding, encoding)}"
        counted = layout.claimed(layout.place("", ending))
        name = names.claim(layout.key(export.template.name(row)), counted)
        yield Picture(replace(row, file=layout.place(name, ending)), encoding, data)


def _parts(pictures: Iterable[Picture], layout: Layout, shard_mb: int) -> Iterator[list[Picture]]:
    """Cut a stream of pictures into parts, each below the size unless one picture is above it."""
    part: list[Picture] = []
    size = 0
    for picture in pictures:
        full = size + len(picture.data) > shard_mb * 1_000_000 or len(part) == layout.most_pictures
        if part and full:
            yield part
            part, size = [], 0
        part.append(picture)
        size += len(picture.data)
    if part:
        yield part


def to_json(result: ExportResult) -> dict[str, Any]:
    """Return a result as plain values."""
    return {**asdict(result), "domains": list(result.domains)}
