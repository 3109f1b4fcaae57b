"""WebDataset archives: the photos of a tar file, read later one by one at their offsets.

Every member whose name is that of a picture format is one input: `ok`, or with the reason why it
cannot be read. What is damaged between members is one more input, in the archive's own name.
"""

import json
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.ingest.columns import given_columns
from itportrait.ingest.faults import BAD_COLUMNS, DECODE, STORAGE, UNLISTED, faulty
from itportrait.ingest.masks import stem_of_mask
from itportrait.ingest.skipped import Skip, Skipped, reason_of_other, reason_to_pass
from itportrait.ingest.tar_headers import Damage, NotTarError, tar_headers
from itportrait.io.uris import open_fs, redact
from itportrait.photos.formats import format_of_name
from itportrait.photos.masks import MASK_SUFFIX
from itportrait.records import Source

_JSON_BYTES = 2**20
_LINKS_FOLLOWED = 40
_DAMAGE_SHOWN = 3


def list_archive(
    uri: str, version: str, skipped: Skipped, mask_suffix: str = MASK_SUFFIX
) -> Iterator[Source]:
    """Stream the photos of an uncompressed tar file, without reading them.

    Links come after all other members, since what they lead to may lie anywhere in the archive.

    Args:
        uri: the archive. Files that share a name up to its first dot are one sample: pictures and,
            optionally, a `.json` with `landmarks`, `crop` or `camera` of all of them, or one for
            each picture (`NAME.json` for `NAME.png`), and in the same way masks (`NAME.mask.png`).
        version: of the archive.
        skipped: counts the members that are no pictures, and the masks.
        mask_suffix: ending of the names of masks; "" for none.

    Raises:
        NoInputError: the file is not a tar archive.
    """
    fs, path = open_fs(uri)
    file: Any = fs.open(path, "rb")
    with file:
        archive = _Archive(uri, version, skipped, mask_suffix, file, file.seek(0, 2))
        try:
            yield from archive.sources()
        except NotTarError as error:
            raise NoInputError(f"{redact(uri)} {error}") from None


Given = dict[str, Any] | str
"""The content of a sample's JSON, or the reason why it cannot be taken."""


@dataclass
class _Sample:
    """Members whose names are equal up to the first dot."""

    name: str = ""
    pictures: list[tarfile.TarInfo] = field(default_factory=list)
    given: dict[str, Given] = field(default_factory=dict)
    """Contents of JSON members, by their names without `.json`."""
    masks: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    """Members that may be masks, by their names without the ending of masks."""

    def given_to(self, picture: str) -> Given:
        """Return what belongs to a picture: of the JSON whose name is closest to its own."""
        return next((self.given[stem] for stem in self._stems(picture) if stem in self.given), {})

    def with_masks(self) -> list[tuple[tarfile.TarInfo, tarfile.TarInfo | None]]:
        """Return all pictures in order, each with the mask whose name is closest to its own.

        A member that has the name of a mask, and no picture beside it, is a picture itself.
        """
        pairs = [(member, self._mask_of(member.name)) for member in self.pictures]
        taken = {mask.name for _, mask in pairs if mask is not None}
        pairs += [(mask, None) for mask in self.masks.values() if mask.name not in taken]
        return sorted(pairs, key=lambda pair: pair[0].offset)

    def _mask_of(self, picture: str) -> tarfile.TarInfo | None:
        stems = self._stems(picture)
        return next((self.masks[stem] for stem in stems if stem in self.masks), None)

    def _stems(self, picture: str) -> tuple[str, ...]:
        return picture, posixpath.splitext(picture)[0], self.name


@dataclass
class _Archive:
    uri: str
    version: str
    skipped: Skipped
    mask_suffix: str
    file: Any
    size: int
    links: list[tuple[tarfile.TarInfo, Given]] = field(default_factory=list)

    def sources(self) -> Iterator[Source]:
        """Stream the archive's inputs, itself among them where it is damaged."""
        sample = _Sample()
        damage, places = [], 0
        for member in tar_headers(self.file):
            if isinstance(member, Damage):
                places += 1
                damage += [member.message] if places <= _DAMAGE_SHOWN else []
                continue
            stem = _sample_name(stem_of_mask(member.name, self.mask_suffix) or member.name)
            if stem != sample.name:
                yield from self._of_sample(sample)
                sample = _Sample(stem)
            self._sort_in(member, sample)
        yield from self._of_sample(sample)
        yield from self._of_links()
        if damage:
            more = f"; and {places - len(damage)} places more" if places > len(damage) else ""
            message = f"{redact(self.uri)} is damaged: {'; '.join(damage)}{more}"
            yield faulty(self.uri, UNLISTED, message, self.version)

    def _sort_in(self, member: tarfile.TarInfo, sample: _Sample) -> None:
        if member.isdir():
            return
        names = [name for name in member.name.split("/") if name.strip(".")]
        reason = next(filter(None, map(reason_to_pass, names)), None)
        if reason is None and format_of_name(member.name) is not None:
            mask = stem_of_mask(member.name, self.mask_suffix)
            if mask and mask not in sample.masks:
                sample.masks[mask] = member
            else:
                sample.pictures.append(member)
            return
        if reason is None and member.name.lower().endswith(".json"):
            sample.given[member.name[: -len(".json")]] = self._read_given(member)
            return
        self.skipped.add(reason or reason_of_other(member.name), f"{self.uri}#{member.name}")

    def _read_given(self, member: tarfile.TarInfo) -> Given:
        if not member.isreg() or member.issparse():
            return f"{member.name} is not a plain file"
        if member.size > _JSON_BYTES:
            return f"{member.name} has more than {_JSON_BYTES} bytes"
        self.file.seek(member.offset_data)
        try:
            values = json.loads(self.file.read(member.size))
            # Other JSON, such as a list of captions, is ignored.
            return given_columns(values, member.name) if isinstance(values, dict) else {}
        except InvalidArgumentError as error:
            return str(error)
        except (ValueError, RecursionError) as error:
            return f"{member.name} is no JSON: {error}"

    def _of_sample(self, sample: _Sample) -> Iterator[Source]:
        pictures = sample.with_masks()
        for name in {mask.name for _, mask in pictures if mask is not None}:
            self.skipped.add(Skip.MASK, f"{self.uri}#{name}")
        if not pictures:
            for name in sample.given:
                self.skipped.add(Skip.SIDECAR, f"{self.uri}#{name}.json")
        for member, mask in pictures:
            given = self._with_mask(sample.given_to(member.name), mask)
            if member.islnk() or member.issym():
                self.links.append((member, given))
            elif not member.isreg() or member.issparse():
                message = f"{member.name} is stored as no plain file; store its bytes themselves"
                yield self._faulty(member, STORAGE, message)
            else:
                yield self._source(member, (member.offset_data, member.size), given)

    def _with_mask(self, given: Given, mask: tarfile.TarInfo | None) -> Given:
        """Return what belongs to a picture, its mask included, or why that cannot be taken."""
        if mask is None or isinstance(given, str):
            return given
        if not mask.isreg() or mask.issparse():
            return f"{mask.name} is stored as no plain file; store its bytes themselves"
        if mask.offset_data + mask.size > self.size:
            return f"{mask.name} is truncated: the archive ends in it"
        span = (mask.offset_data, mask.size)
        version = f"{self.version}:{span[0]}:{span[1]}"
        uri = f"{self.uri}#{mask.name}"
        return given | {"mask": Source(uri=uri, version=version, container=self.uri, span=span)}

    def _source(self, member: tarfile.TarInfo, span: tuple[int, int], given: Given) -> Source:
        """Return the source of a picture whose bytes lie at `span`."""
        offset, size = span
        if isinstance(given, str):
            return self._faulty(member, BAD_COLUMNS, given)
        if offset + size > self.size:
            there = max(self.size - offset, 0)
            message = f"truncated: the archive ends after {there} of {size} bytes"
            return self._faulty(member, DECODE, message)
        return Source(
            uri=f"{self.uri}#{member.name}",
            version=f"{self.version}:{offset}:{size}",
            container=self.uri,
            span=span,
            **given,
        )

    def _faulty(self, member: tarfile.TarInfo, reason: str, message: str) -> Source:
        span = (member.offset_data, member.size)
        version = f"{self.version}:{span[0]}:{span[1]}"
        place = {"container": self.uri, "span": span}
        return faulty(f"{self.uri}#{member.name}", reason, message, version, **place)

    def _of_links(self) -> Iterator[Source]:
        """Stream the pictures that are links to other members, found in a second pass."""
        if not self.links:
            return
        targets = {_plain(member.name): _target(member) for member, _ in self.links}
        ends = [_end_of_links(_target(member), targets) for member, _ in self.links]
        places: dict[str, list[tuple[int, int]]] = {name: [] for name in ends}
        for member in tar_headers(self.file):
            if isinstance(member, Damage) or not member.isreg() or member.issparse():
                continue
            if (name := _plain(member.name)) in places:
                places[name].append((member.offset_data, member.size))
        for (member, given), end in zip(self.links, ends, strict=True):
            # A hard link means the file of that name before it, a symbolic one the last such file.
            found = [p for p in places[end] if member.issym() or p[0] < member.offset_data]
            if found:
                yield self._source(member, found[-1], given)
            else:
                where = "in the archive" if member.issym() else "before it in the archive"
                message = f"{member.name} is a link to {end!r}, and no such file is {where}"
                yield self._faulty(member, STORAGE, message)


def _sample_name(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _plain(name: str) -> str:
    return posixpath.normpath(name)


def _target(link: tarfile.TarInfo) -> str:
    """Return the name of the member that a link leads to."""
    if link.islnk():
        return _plain(link.linkname)
    return _plain(posixpath.join(posixpath.dirname(link.name), link.linkname))


def _end_of_links(name: str, targets: dict[str, str]) -> str:
    for _ in range(_LINKS_FOLLOWED):
        if name not in targets:
            break
        name = targets[name]
    return name
