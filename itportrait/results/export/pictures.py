"""The stylized pictures of an output as a stream, in an order that every run finds again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from itportrait.config import fingerprint
from itportrait.errors import NoInputError, UnknownNameError
from itportrait.io import uris
from itportrait.io.commits import Commit, StageTable
from itportrait.records import Status
from itportrait.results.export.delivered import Delivered
from itportrait.results.export.row import MEASURES, ExportRow
from itportrait.stages.domain_table import domains_of
from itportrait.stages.recipe import stage_table
from itportrait.stages.registry import stage_named

_ALIGN, _STYLIZE = "align", "stylize"
_PHOTO = ("record_id", "status", "uri", "face_index", "duplicate_of")
_STYLED = ("record_id", "status", "version", "uri", *MEASURES)
_MARKERS_PER_ROUND = 256
_VIEW = ("record_id", "view", "yaw_deg", "pitch_deg", "format")


@dataclass(frozen=True)
class Picture:
    """A stylized picture, or another file of a portrait: what is known of it, and its bytes."""

    row: ExportRow
    encoding: str
    """Of a view `png`, `jpeg` or `webp`; of other kinds the ending of the file."""
    data: bytes


@dataclass(frozen=True)
class StylizedPictures:
    """The pictures of some domains and views of an output.

    They come shard by shard, domain by domain and portrait by portrait; memory holds one row group.
    Photos with the same content have pictures of their own each.

    Args:
        output: folder or URI of a job's output.
        domains: of which pictures are wanted, in the order of their names.
        views: numbers of the views that are wanted; none for all.
        deliverables: whether the files of `OUT/deliverables` are wanted as well.
    """

    output: str
    domains: tuple[str, ...]
    views: tuple[int, ...] = ()
    deliverables: bool = False

    @classmethod
    def of(
        cls,
        output: str,
        domains: Sequence[str] = (),
        views: Sequence[int] = (),
        *,
        deliverables: bool = False,
    ) -> "StylizedPictures":
        """Return the pictures of the given domains, or of all that an output has.

        Raises:
            NoInputError: nothing is stylized there, or there are no pictures.
            UnknownNameError: there is no such domain or view; lists those that are there.
        """
        known = stylized_domains(output)
        if not known:
            raise NoInputError(
                f"no stylized portraits at {uris.redact(output)}; give the output of "
                "`itportrait stylize-dataset` or `itportrait stylize`"
            )
        for name in domains:
            if name not in known:
                raise UnknownNameError("domain", name, known)
        chosen = tuple(name for name in known if name in domains or not domains)
        found = cls(output, chosen, tuple(sorted(set(views))), deliverables)
        found._check_views()
        if next(found.stream(), None) is None:
            raise NoInputError(f"no pictures at {uris.redact(output)}")
        return found

    def _check_views(self) -> None:
        """Refuse views that are nowhere; the tables are read until each of them was seen."""
        missing, known = set(self.views), set()
        for table in map(self._table, self.domains) if missing else ():
            for commit in table.commits():
                groups = table.count_picture_groups(commit) if "pixels" in commit.files else 0
                for group in range(groups):
                    known.update(v for (v,) in table.read_picture_group(commit, group, ("view",)))
                    if missing <= known:
                        return
        for view in sorted(missing - known):
            raise UnknownNameError("view", str(view), [str(number) for number in sorted(known)])

    @property
    def fingerprint(self) -> str:
        """Return a digest of which pictures they are, and of the tables that hold them."""
        digest = fingerprint(self.domains, self.views, self.deliverables)
        shards = self._shards()
        tables = [self._aligned, *(self._table(name) for name in self.domains)]
        for start in range(0, len(shards), _MARKERS_PER_ROUND):
            part = shards[start : start + _MARKERS_PER_ROUND]
            for commits in [table.read_commits(part) for table in tables]:
                files = [[e.sha256 for e in commits[n].files.values()] for n in sorted(commits)]
                digest = fingerprint(digest, sorted(commits), files)
            for name in self.domains if self.deliverables else ():
                digest = fingerprint(digest, Delivered(self.output, name).digest(part))
        return digest

    def outdated(self) -> int:
        """Return the number of deliverables that are left out, since they show portraits that were
        stylized anew since."""
        shards, found = self._shards() if self.deliverables else [], 0
        for start in range(0, len(shards), _MARKERS_PER_ROUND):
            part = shards[start : start + _MARKERS_PER_ROUND]
            for name in self.domains:
                commits = self._table(name).read_commits(part)
                found += Delivered(self.output, name).outdated(commits)
        return found

    def stream(self, skip: int = 0) -> Iterator[Picture]:
        """Yield the pictures but the first ones, of which no data are read.

        Raises:
            OSError: a table is missing or damaged.
        """
        for shard in self._shards():
            photos = self._photos(shard)
            for domain in self.domains:
                table = self._table(domain)
                commit = table.read_commit(shard)
                if commit is None or "pixels" not in commit.files:
                    continue
                rows = _styled_rows(table, commit, domain, photos)
                for group in range(table.count_picture_groups(commit)):
                    found = self._in_group(table, commit, group, rows)
                    if skip >= len(found):
                        skip -= len(found)
                        continue
                    data = table.read_picture_group(commit, group, ("data",))
                    for position, encoding, row in found[skip:]:
                        yield Picture(row, encoding, data[position][0])
                    skip = 0
                delivered = Delivered(self.output, domain)
                files = delivered.of_shard(commit, rows) if self.deliverables else ()
                for path, ending, row in files:
                    if skip:
                        skip -= 1
                    else:
                        yield Picture(row, ending, delivered.read(path))

    def _in_group(
        self, table: StageTable, commit: Commit, group: int, rows: dict[str, list[ExportRow]]
    ) -> list[tuple[int, str, ExportRow]]:
        """Return the wanted pictures of a row group: place in it, encoding, row; for each photo."""
        found: list[tuple[int, str, ExportRow]] = []
        for position, (record_id, view, yaw, pitch, encoding) in enumerate(
            table.read_picture_group(commit, group, _VIEW)
        ):
            if view in self.views or not self.views:
                for row in rows.get(record_id, ()):
                    of_view = replace(row, view=view, yaw_deg=yaw, pitch_deg=pitch)
                    found.append((position, encoding, of_view))
        return found

    def _shards(self) -> list[int]:
        return sorted({shard for name in self.domains for shard in self._table(name).shards()})

    def _photos(self, shard: int) -> dict[str, list[dict[str, Any]]]:
        """Return what is known of the photos of each portrait; several may have one content."""
        found: dict[str, list[dict[str, Any]]] = {}
        commit = self._aligned.read_commit(shard)
        for row in self._aligned.read_columns(commit, _PHOTO) if commit else ():
            if row["status"] == Status.OK:
                found.setdefault(row["record_id"], []).append(row)
        return found

    @property
    def _aligned(self) -> StageTable:
        return stage_table(self.output, _ALIGN)

    def _table(self, domain: str) -> StageTable:
        return stage_table(self.output, _STYLIZE, domain)


def _styled_rows(
    table: StageTable, commit: Commit, domain: str, photos: dict[str, list[dict[str, Any]]]
) -> dict[str, list[ExportRow]]:
    """Return a row for each photo of each stylized portrait of a shard; their view is unset."""
    found: dict[str, list[ExportRow]] = {}
    for styled in table.read_columns(commit, _STYLED):
        if styled["status"] != Status.OK:
            continue
        record_id, scores = styled["record_id"], {name: styled[name] for name in MEASURES}
        own = [{"uri": styled["uri"] or record_id, "face_index": 0, "duplicate_of": None}]
        found[record_id] = [
            ExportRow(
                uri=photo["uri"],
                record_id=record_id,
                face_index=photo["face_index"],
                duplicate_of=photo["duplicate_of"],
                style=domain,
                version=styled["version"],
                **scores,
            )
            for photo in photos.get(record_id, own)
        ]
    return found


def stylized_domains(output: str) -> list[str]:
    """Return the names of the domains that an output has tables of, sorted."""
    return domains_of(uris.join(output, stage_named(_STYLIZE).folder))
