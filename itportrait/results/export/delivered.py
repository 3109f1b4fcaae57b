"""The files of `OUT/deliverables`, as an export takes them along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from itportrait.config import fingerprint
from itportrait.io import uris
from itportrait.io.commits import Commit
from itportrait.io.names import resolve_under
from itportrait.results.delivery import marker_of, read_delivery, root_of
from itportrait.results.export.row import ExportRow


@dataclass(frozen=True)
class Delivered:
    """The deliverables of one domain of an output.

    Args:
        output: folder or URI of a job's output.
        domain: name of the domain.
    """

    output: str
    domain: str

    @property
    def root(self) -> str:
        """Return the folder of the domain's files."""
        return root_of(self.output, self.domain)

    def _marker(self, shard: int) -> str:
        return marker_of(self.root, shard)

    def digest(self, shards: Sequence[int]) -> str:
        """Return a digest of which files the shards have, and of all that determined them."""
        found = uris.read_many(self._marker(shard) for shard in shards)
        return fingerprint(sorted((uri.rpartition("/")[2], data) for uri, data in found.items()))

    def outdated(self, commits: Mapping[int, Commit]) -> int:
        """Return the number of files that show other portraits than the tables have now.

        Args:
            commits: of the domain's stylized portraits, by shard.

        Raises:
            InvalidArgumentError: a marker is damaged, or names a file outside of the folder.
        """
        made = [(read_delivery(self._marker(shard)), commit) for shard, commit in commits.items()]
        return sum(len(each.files) for each, commit in made if each and not each.shows(commit))

    def of_shard(
        self, commit: Commit, rows: Mapping[str, Sequence[ExportRow]]
    ) -> Iterator[tuple[str, str, ExportRow]]:
        """Yield path, ending and row of each file of a shard, for each photo of its portrait.

        Files that show other portraits than the commit's, such as those of a former version of the
        domain, are left out.

        Raises:
            InvalidArgumentError: the marker is damaged, or names a file outside of the folder.
        """
        made = read_delivery(self._marker(commit.shard))
        for path in made.files if made and made.shows(commit) else ():
            record_id, _, name = path.rpartition("/")
            kind, _, ending = name.rpartition(".")
            for row in rows.get(record_id, ()):
                yield path, ending, replace(row, kind=kind)

    def read(self, path: str) -> bytes:
        """Return a file.

        Raises:
            OSError: it is gone.
        """
        return uris.read_bytes(resolve_under(self.root, path, what="a deliverable"))
