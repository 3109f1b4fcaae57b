"""The work on one shard of one stage, apart from Ray: read, keep, compute, write, commit.

Rows whose key (of all they depend on) stands in an earlier commit of the same recipe are kept, so
that one mechanism serves changed inputs, `--retry failed`, and the search for a poison record.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from itportrait.config import fingerprint
from itportrait.engine.kept_rows import KeptRows, kept_rows, lacks_faces
from itportrait.engine.same_content import photos_of, repeated, same_content
from itportrait.engine.verdicts import all_hold
from itportrait.errors import ItportraitError
from itportrait.io import uris
from itportrait.io.commits import (
    Commit,
    CommitTakenError,
    StageTable,
    strip_files,
)
from itportrait.io.memory import is_memory_error
from itportrait.io.parquet import Row
from itportrait.records import Record, RecordError, Status
from itportrait.stages.digests import row_digest
from itportrait.stages.functions import stage_function
from itportrait.stages.items import load_items
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Item, Shard
from itportrait.stages.stage import Stage, StageFunction


@dataclass(frozen=True)
class ShardTask:
    """The work of one task.

    Args:
        shard: number, and for a stage that takes photos the sources.
        start, stop: range of the shard's items; the whole shard is committed, a range is kept
            aside until the shard is put together.
        quarantined: position -> (error type, message) of items that no task shall touch.
        searched: what a search has kept aside goes once the shard is committed.
        copy_from: shards of the stage whose rows are copied where they are of the same content.
    """

    shard: Shard
    start: int = 0
    stop: int | None = None
    quarantined: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    searched: bool = False
    copy_from: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Tell whether the task is for all of the shard."""
        return self.start == 0 and self.stop is None


def run_shard(recipe: Recipe, task: ShardTask) -> Commit:
    """Bring a shard of a stage (or a range of one) to its committed state.

    Returns:
        The commit that stands, without its files.

    Raises:
        OutputError: no space or no permission.
        OSError, ConnectionError: storage failed; to be tried again.
        ItportraitError: the stage cannot work at all (models missing, ...).
    """
    index = task.shard.index
    table = recipe.table() if task.whole else recipe.partial_table(index)
    number = index if task.whole else task.start
    standing = table.read_commit(number)
    items, inputs = load_items(recipe, task.shard)
    if not task.whole:
        items = items[task.start : task.stop]
        inputs = fingerprint(inputs, task.start, task.stop)
    target = recipe.of_inputs(inputs)
    redo = recipe.retry_failed and standing is not None and standing.failed > 0
    redo = redo or (standing is not None and lacks_faces(standing))
    if standing and standing.fingerprint == target and not redo and _stands(table, standing):
        return strip_files(standing)
    whole = standing if task.whole else recipe.table().read_commit(index)
    kept = _kept(recipe, task, whole, items)
    if any(item.key not in kept.rows for item in items):
        stage_function(recipe)  # warm, so that the seconds below are those of the work
    began = time.perf_counter()
    rows, computed = _rows_of(recipe, task, items, kept.rows)
    commit = summarize(recipe.definition, rows, [item.key for item in items])
    commit = replace(
        commit,
        shard=number,
        fingerprint=target,
        recipe=recipe.fingerprint,
        computed=computed,
        photos=photos_of(items, rows) if recipe.takes_photos else "",
        seconds=time.perf_counter() - began,
        precision=_precision(recipe, computed, kept),
        committed_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    metadata = {"stage": recipe.name, "recipe": recipe.fingerprint, "fingerprint": target}
    files = table.write_rows(number, rows, pixel_format=recipe.pixel_format, metadata=metadata)
    try:
        commit = table.commit(replace(commit, files=files), replaces=standing)
    except CommitTakenError as taken:
        if taken.commit.fingerprint != target:
            commit = table.commit(replace(commit, files=files), replaces=taken.commit)
        else:
            commit = taken.commit
    if task.searched:
        uris.remove(recipe.partial_table(index).root, recursive=True)
    return strip_files(commit)


def _precision(recipe: Recipe, computed: int, kept: KeptRows) -> str:
    """Return what the generator computed with, also for rows that are kept: `bf16`, or
    `bf16+fp32` where machines that differ have computed a part each."""
    found = set(kept.precisions)
    if computed and not recipe.builder:
        found.add(recipe.definition.precision_used(recipe))
    return "+".join(sorted(found - {""}))


def _stands(table: StageTable, commit: Commit) -> bool:
    """Tell whether the files of a commit are there, each with its size, and its verdicts hold."""
    return table.has_files(commit) and all_hold(table, commit)


def _kept(recipe: Recipe, task: ShardTask, standing: Commit | None, items: list[Item]) -> KeptRows:
    if not items:
        return KeptRows()
    wanted = {item.key for item in items}
    return kept_rows(recipe, task.shard.index, task.copy_from, standing, wanted)


def _rows_of(
    recipe: Recipe, task: ShardTask, items: list[Item], kept: dict[str, list[Row]]
) -> tuple[list[Row], int]:
    quarantined = {
        items[position].key: RecordError(recipe.stage, kind, message)
        for position, (kind, message) in task.quarantined.items()
        if position < len(items)
    }
    todo = [item for item in items if item.key not in kept and item.key not in quarantined]
    firsts, repeats = same_content(recipe, todo, items, kept)
    computed = compute(recipe, firsts) if firsts else {}
    rows: list[Row] = []
    for item in items:
        if item.key in quarantined:
            error = quarantined[item.key]
            rows.append(Row(item.key, _failed_row(recipe, item, Status.FAILED, error)))
        elif item.key in kept:
            rows += kept[item.key]
        elif item.key in repeats:
            original = repeats[item.key]
            records = computed.get(original.key) or [row.record for row in kept[original.key]]
            rows += [Row(item.key, repeated(item, original, record)) for record in records]
        else:
            rows += [Row(item.key, record) for record in computed[item.key]]
    if not recipe.takes_photos:
        uris_of = {item.key: _photo_uri(item) for item in items}
        rows = [_with_photo(row, uris_of[row.key]) for row in rows]
    return rows, len(firsts)


def _photo_uri(item: Item) -> str | None:
    """Return the URI of the photo that an item's records come from, if they say it."""
    value: Any = item.value
    records = cast(tuple[Any, ...], value) if isinstance(value, tuple) else (value,)
    return next((uri for record in records if (uri := getattr(record, "uri", None))), None)


def _with_photo(row: Row, uri: str | None) -> Row:
    """Return a row that says where its photo is now, also where another run or shard made it."""
    if uri is None or getattr(row.record, "uri", uri) == uri:
        return row
    changed: dict[str, Any] = {"uri": uri}
    return replace(row, record=replace(row.record, **changed))


def compute(recipe: Recipe, items: Sequence[Item]) -> dict[str, list[Record]]:
    """Return the rows of every item: at least one each, whatever the stage's code does."""
    function = stage_function(recipe)
    results: dict[str, list[Record]] = {}
    for item, records in zip(items, _attempt(recipe, function, list(items))):
        if not records:
            error = RecordError(recipe.stage, "MissingRow", "the stage returned no row for it")
            records = [_failed_row(recipe, item, Status.FAILED, error)]
        results[item.key] = records
    return results


def _attempt(recipe: Recipe, function: StageFunction, items: list[Item]) -> list[list[Record]]:
    """Run the stage function; where it raises, halve until the culprit is alone as a failed row."""
    try:
        results = function([item.value for item in items])
        if len(results) != len(items):
            raise ValueError(f"{recipe.stage} returned {len(results)} results of {len(items)}")
        _raise_memory_errors(results)
        return results
    except MemoryError:
        raise  # the driver tries again with less beside it, in a process that has its memory back
    except Exception as error:
        if len(items) == 1:
            if is_memory_error(type(error).__name__, str(error)):
                raise MemoryError(str(error)) from error
            status, reason = RecordError.of(recipe.stage, error)
            return [[_failed_row(recipe, items[0], status, reason)]]
    half = len(items) // 2
    return [*_attempt(recipe, function, items[:half]), *_attempt(recipe, function, items[half:])]


def _raise_memory_errors(results: list[list[Record]]) -> None:
    """Raise for rows of a stage's own fences that say nothing but that memory was short."""
    for error in (record.error for records in results for record in records):
        if error is not None and is_memory_error(error.type, error.message):
            raise MemoryError(f"{error.type}: {error.message}")


def _failed_row(recipe: Recipe, item: Item, status: Status, error: RecordError) -> Record:
    """Return the row of an item that the stage's own code gave none for."""
    error = replace(error, message=uris.redact(error.message))
    return recipe.definition.failed_row(recipe, item.value, status, error)


def summarize(stage: Stage, rows: Sequence[Row], keys: Sequence[str]) -> Commit:
    """Count the rows of a shard by input and check that every input has one.

    Raises:
        ItportraitError: an input without a row: a defect of this program, never of the data.
    """
    by_key: dict[str, list[Status]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row.record.status)
    if set(by_key) != set(keys) or len(set(keys)) != len(keys):
        raise ItportraitError(
            f"{stage.name}: {len(by_key)} of {len(keys)} inputs have rows; none may be lost"
        )
    counts = Counter(_status_of_input(statuses) for statuses in by_key.values())
    sums: dict[str, list[float]] = {}
    for name in stage.measures:
        values = [getattr(row.record, name) for row in rows if row.record.status is Status.OK]
        found = [float(value) for value in values if value is not None]
        if found:
            sums[name] = [sum(found), len(found)]
    ids = {row.record.record_id for row in rows if row.record.status is Status.OK}
    return Commit(
        stage=stage.name,
        shard=0,
        fingerprint="",
        recipe="",
        outputs=fingerprint([row_digest(row.record) for row in rows]),
        inputs=len(keys),
        ok=counts[Status.OK],
        rejected=counts[Status.REJECTED],
        failed=counts[Status.FAILED],
        rows_ok=len(ids),
        reasons=dict(Counter(row.record.error.type for row in rows if row.record.error)),
        sums=sums,
    )


def _status_of_input(statuses: list[Status]) -> Status:
    """Return an input's status: the best of its rows, since one good face makes a good photo."""
    for status in (Status.OK, Status.REJECTED):
        if status in statuses:
            return status
    return Status.FAILED
