"""Photos of one shard with the same content: one of them is computed, and the others repeat its
rows."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from itportrait.engine.repeats import NO_PORTRAIT
from itportrait.io import uris
from itportrait.io.parquet import Row
from itportrait.photos.files import read_mask_bytes, read_source
from itportrait.records import AlignedRecord, Record, Source, Status, given_parts
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Item, source_key


def same_content(
    recipe: Recipe, todo: list[Item], items: list[Item], kept: dict[str, list[Row]]
) -> tuple[list[Item], dict[str, Item]]:
    """Split photos into those to compute and repeats of one of them (key -> original).

    A repeat has the same content, or is the same input that cannot be read.
    """
    if not recipe.takes_photos:
        return todo, {}
    seen: dict[str, Item] = {}
    for item in items:
        first = kept[item.key][0].record if item.key in kept else None
        if isinstance(first, AlignedRecord) and first.duplicate_of is None:
            known = _content(item.value, first) if first.sha256 else source_key(item.value)
            seen[known] = item
    firsts: list[Item] = []
    repeats: dict[str, Item] = {}
    for item in todo:
        try:
            data, mask = read_source(item.value), read_mask_bytes(item.value)
            digests = [None if d is None else hashlib.sha256(d).hexdigest() for d in (data, mask)]
            content = _digest(item.value, *digests)
        except MemoryError:
            raise  # the driver splits the shard, in a process that has its memory back
        except Exception:  # stores raise nearly anything for a name that they cannot hold
            # The stage reads it again, and says what is wrong: once for a line that stands twice.
            content = source_key(item.value)
        if content in seen:
            repeats[item.key] = seen[content]
        else:
            seen[content] = item
            firsts.append(item)
    return firsts, repeats


def _content(source: Source, row: AlignedRecord) -> str:
    """Return a digest of what decided the rows of a photo, by one of them."""
    return _digest(source, row.sha256, row.mask_sha256)


def _digest(source: Source, sha256: str | None, mask_sha256: str | None) -> str:
    """Return a digest of what decides a photo's rows: its bytes, and what came along with them."""
    return hashlib.sha256(repr([sha256, *given_parts(source, mask_sha256)]).encode()).hexdigest()


def photos_of(items: Sequence[Item], rows: Sequence[Row]) -> str:
    """Return the contents of a shard's photos for its commit, by which repeats are found."""
    contents = {
        row.key: row.record
        for row in rows
        if isinstance(row.record, AlignedRecord)
        and row.record.status is Status.OK
        and row.record.sha256
    }
    return "".join(
        _content(item.value, contents[item.key])[:16] if item.key in contents else NO_PORTRAIT
        for item in items
    )


def repeated(item: Item, original: Item, record: Record) -> Record:
    """Return the row of a photo whose content another one has: the same, without the pictures."""
    return replace(
        record,
        uri=uris.redact(item.value.uri),
        duplicate_of=uris.redact(original.value.uri),
        seconds=0.0,
        pixels=None,
        mask=None,
    )
