"""The table of a stage that runs once for each domain: one folder for all, a partition of each.

`OUT/stylized/records/style=NAME/part-…` and so on, so that one read of `OUT/stylized/records` is
one table. Release 0.1 wrote `OUT/stylized/domain=NAME/records/part-…`. Shards that lie there are
read and stand; what replaces one is written to the new place.
"""

from collections.abc import Sequence
from dataclasses import replace

from itportrait.io import uris
from itportrait.io.commits import COMMITS, Commit, FileEntry, StageTable
from itportrait.records import Record

_PARTITION, _FORMER = "style=", "domain="


def domains_of(root: str) -> list[str]:
    """Return the names of the domains that have tables below a root, whatever release wrote them.

    Args:
        root: of all domains, e.g. `OUT/stylized`.

    Returns:
        The names, sorted.
    """
    present = uris.list_names(uris.join(root, COMMITS))
    former = uris.list_names(root)
    names = [name.removeprefix(_PARTITION) for name in present if name.startswith(_PARTITION)]
    names += [name.removeprefix(_FORMER) for name in former if name.startswith(_FORMER)]
    return sorted(set(names))


class DomainTable(StageTable):
    """The committed shards of one domain, below the folder that all domains share.

    Args:
        root: of all domains, e.g. `OUT/stylized`.
        record_type: of its rows, which have the domain's name in a column.
        domain: name that a folder may have.
    """

    def __init__(self, root: str, record_type: type[Record], domain: str) -> None:
        super().__init__(root, record_type)
        self._partition, self._former_folder = f"{_PARTITION}{domain}", f"{_FORMER}{domain}"
        self._former = StageTable(uris.join(root, self._former_folder), record_type)

    def place(self, kind: str) -> str:
        """Return the folder of one kind of the domain's files, as a path under the root."""
        return f"{kind}/{self._partition}"

    def shards(self) -> list[int]:
        """Return the numbers of all committed shards, in order, whatever release wrote them."""
        return sorted({*super().shards(), *self._former.shards()})

    def read_commit(self, shard: int) -> Commit | None:
        """Return a shard's commit, or None where there is none."""
        return super().read_commit(shard) or self._placed(self._former.read_commit(shard))

    def read_commits(self, shards: Sequence[int]) -> dict[int, Commit]:
        """Return the commits of several shards that have one, in two rounds where storage can."""
        found = super().read_commits(shards)
        rest = self._former.read_commits([shard for shard in shards if shard not in found])
        return found | {shard: self._prefixed(commit) for shard, commit in rest.items()}

    def discard(self, shard: int) -> None:
        """Remove a shard's marker, so that it counts as not computed; its files are swept later."""
        super().discard(shard)
        self._former.discard(shard)

    def sizes(self) -> dict[str, int]:
        """Return the size of every file of the table, committed or not, by path under the root."""
        former = self._former.sizes().items()
        return super().sizes() | {f"{self._former_folder}/{name}": size for name, size in former}

    def commit(self, commit: Commit, *, replaces: Commit | None = None) -> Commit:
        """Let a shard's files count: write its marker; one of the former place goes last."""
        standing = super().commit(commit, replaces=replaces)
        if replaces is not None:
            self._former.discard(commit.shard)
        return standing

    def sweep(self, last_shard: int) -> list[str]:
        """Remove what no commit names, and former markers that a killed writer had replaced."""
        for shard in {*super().shards()} & {*self._former.shards()}:
            self._former.discard(shard)
        return super().sweep(last_shard)

    def _placed(self, commit: Commit | None) -> Commit | None:
        return None if commit is None else self._prefixed(commit)

    def _prefixed(self, commit: Commit) -> Commit:
        """Return a former commit with its files as paths under the root of all domains."""
        files: dict[str, FileEntry] = {
            kind: replace(entry, path=f"{self._former_folder}/{entry.path}")
            for kind, entry in commit.files.items()
        }
        return replace(commit, files=files)
