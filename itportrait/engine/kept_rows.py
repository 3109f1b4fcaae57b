"""Rows that need not be computed: those of earlier commits, of a shard's parts, of other shards.

Rows are found by their key, of all they depend on. What an earlier release got wrong, and what is
to be tried again, is left out.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from itportrait.engine.repeats import NO_PORTRAIT
from itportrait.engine.verdicts import row_holds
from itportrait.io.commits import Commit, StageTable
from itportrait.io.parquet import Row
from itportrait.records import AlignedRecord, Status
from itportrait.stages.recipe import Recipe


@dataclass(frozen=True)
class KeptRows:
    """Rows that need not be computed.

    Args:
        rows: of each input, by its key.
        precisions: what generators computed with for them; older markers do not say it.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])
    precisions: frozenset[str] = frozenset()


def kept_rows(
    recipe: Recipe,
    shard: int,
    copy_from: tuple[int, ...],
    standing: Commit | None,
    wanted: set[str],
) -> KeptRows:
    """Return rows by key that need not be computed: those of other shards and earlier commits.

    The shard's own have the last word, and among them those of its parts, which are newer.
    """
    table, partial = recipe.table(), recipe.partial_table(shard)
    copied, own = _Found(recipe, wanted), _Found(recipe, wanted)
    for other in copy_from:
        copied.take(table, table.read_commit(other))
    own.take(table, standing)
    for commit in partial.commits():
        own.take(partial, commit)
    copies = _without_failed({key: _copied(rows) for key, rows in copied.rows.items()})
    owned = _without_failed(own.rows) if recipe.retry_failed else own.rows
    kept = _that_hold(copies | owned)
    kept = _without_orphans(_without_shared_ids(kept) if recipe.takes_photos else kept)
    said = {(own if key in owned else copied).precisions[key] for key in kept}
    return KeptRows(kept, frozenset({one for text in said for one in text.split("+") if one}))


class _Found:
    """Wanted rows by key, and what the commit that has them says of their precision."""

    def __init__(self, recipe: Recipe, wanted: set[str]) -> None:
        self.recipe, self.wanted = recipe, wanted
        self.rows: dict[str, list[Row]] = {}
        self.precisions: dict[str, str] = {}

    def take(self, table: StageTable, commit: Commit | None) -> None:
        """Take the rows of a commit, in place of those that earlier ones have of the same keys."""
        if commit is not None:
            found = _rows_by_key(self.recipe, table, commit, self.wanted)
            self.rows.update(found)
            self.precisions.update(dict.fromkeys(found, commit.precision))


def _that_hold(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Leave out verdicts of earlier releases that say nothing about their records."""
    return {
        key: group
        for key, group in rows.items()
        if all(row_holds(row.record.error) for row in group)
    }


def _rows_by_key(
    recipe: Recipe, table: StageTable, commit: Commit, wanted: set[str]
) -> dict[str, list[Row]]:
    """Return the wanted rows of a commit, or none if it is damaged or of another recipe."""
    found: dict[str, list[Row]] = {}
    if commit.recipe != recipe.fingerprint:
        return found
    try:
        rows = table.read_rows(commit, keys=wanted)
    except (OSError, KeyError, ValueError):
        return found  # they are computed again
    for row in rows:
        found.setdefault(row.key, []).append(row)
    return found


def _copied(rows: list[Row]) -> list[Row]:
    return [replace(row, record=replace(row.record, seconds=0.0)) for row in rows]


def _without_failed(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {
        key: group
        for key, group in rows.items()
        if all(row.record.status is not Status.FAILED for row in group)
    }


def _without_shared_ids(kept: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Leave out portraits that share their id with a portrait of another input (see
    `lacks_faces`)."""
    owners = Counter(
        record_id
        for rows in kept.values()
        for record_id in {
            row.record.record_id
            for row in rows
            if row.record.status is Status.OK and not _is_duplicate(row)
        }
    )
    return {
        key: rows
        for key, rows in kept.items()
        if all(owners[row.record.record_id] < 2 for row in rows)
    }


def _without_orphans(kept: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Leave out duplicates whose original is not kept, because only the original has the
    pictures."""
    originals = {
        row.record.record_id for rows in kept.values() for row in rows if not _is_duplicate(row)
    }
    return {
        key: [_without_pictures(row) if _is_duplicate(row) else row for row in rows]
        for key, rows in kept.items()
        if all(row.record.record_id in originals for row in rows)
    }


def _is_duplicate(row: Row) -> bool:
    return isinstance(row.record, AlignedRecord) and row.record.duplicate_of is not None


def _without_pictures(row: Row) -> Row:
    """Return a duplicate as it was computed: tables find its pictures by the id that it shares."""
    assert isinstance(row.record, AlignedRecord)
    return Row(row.key, replace(row.record, pixels=None, mask=None))


def lacks_faces(commit: Commit) -> bool:
    """Tell whether people of one photo share an id in a commit, so that only one of them lives on.

    Release 0.1 made ids of the photo alone: what a table told of each row did not count.
    """
    photos = {commit.photos[start : start + 16] for start in range(0, len(commit.photos), 16)}
    return len(photos - {NO_PORTRAIT}) > commit.rows_ok
