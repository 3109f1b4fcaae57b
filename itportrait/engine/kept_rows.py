"""Rows that need not be computed: those of earlier commits, of a shard's parts, of other shards.

Rows are found by their key, of all they depend on. What an earlier release got wrong, and what is
to be tried again, is left out.
"""

from collections import Counter
from dataclasses import replace

from itportrait.engine.repeats import NO_PORTRAIT
from itportrait.engine.verdicts import row_holds
from itportrait.io.commits import Commit, StageTable
from itportrait.io.parquet import Row
from itportrait.records import AlignedRecord, Status
from itportrait.stages.recipe import Recipe


def kept_rows(
    recipe: Recipe,
    shard: int,
    copy_from: tuple[int, ...],
    standing: Commit | None,
    wanted: set[str],
) -> dict[str, list[Row]]:
    """Return rows by key that need not be computed: those of other shards and earlier commits.

    The shard's own have the last word, and among them those of its parts, which are newer.
    """
    table, partial = recipe.table(), recipe.partial_table(shard)
    kept: dict[str, list[Row]] = {}
    for other in copy_from:
        found = _rows_by_key(recipe, table, table.read_commit(other), wanted)
        kept.update(_without_failed({key: _copied(rows) for key, rows in found.items()}))
    own = _rows_by_key(recipe, table, standing, wanted)
    for commit in partial.commits():
        own.update(_rows_by_key(recipe, partial, commit, wanted))
    kept.update(_without_failed(own) if recipe.retry_failed else own)
    kept = _that_hold(kept)
    return _without_orphans(_without_shared_ids(kept) if recipe.takes_photos else kept)


def _that_hold(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Leave out verdicts of earlier releases that say nothing about their records."""
    return {
        key: group
        for key, group in rows.items()
        if all(row_holds(row.record.error) for row in group)
    }


def _rows_by_key(
    recipe: Recipe, table: StageTable, commit: Commit | None, wanted: set[str]
) -> dict[str, list[Row]]:
    """Return the wanted rows of a commit, or none if it is missing, damaged or of another
    recipe."""
    found: dict[str, list[Row]] = {}
    if commit is None or commit.recipe != recipe.fingerprint:
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
