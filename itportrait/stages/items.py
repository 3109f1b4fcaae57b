"""The items of a stage's shard: photos, or what earlier stages have committed of its portraits."""

from collections.abc import Sequence

from itportrait.config import fingerprint
from itportrait.io import uris
from itportrait.io.commits import DamagedFileError
from itportrait.records import Record, Status
from itportrait.stages.digests import row_digest
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Item, Shard


class UpstreamDamagedError(OSError):
    """What an earlier stage committed of a shard is missing or damaged: compute that again."""

    def __init__(self, stage: str, message: str) -> None:
        self.stage = stage
        super().__init__(stage, message)


def load_items(recipe: Recipe, shard: Shard) -> tuple[list[Item], str | list[str]]:
    """Return the items of a stage's shard, in a fixed order, and the digest of its inputs.

    Raises:
        UpstreamDamagedError: what an earlier stage committed of the shard is gone or damaged.
    """
    if recipe.takes_photos:
        keys = shard.keys()
        return [Item(key, source) for key, source in zip(keys, shard.sources)], keys
    portraits: dict[str, dict[str, Record]] = {}
    outputs: list[str] = []
    takes = recipe.takes
    for name in recipe.reads:
        records, digest = _committed(recipe, name, shard.index, pixels=name in takes)
        outputs.append(digest)
        found = portraits.setdefault(name, {})
        for record in records:
            if record.status is Status.OK:
                found.setdefault(record.record_id, record)
    items: list[Item] = []
    for record_id in portraits[recipe.previous]:
        taken = [portraits[name][record_id] for name in takes if record_id in portraits[name]]
        if len(taken) == len(takes):
            key = digest_of_inputs([row_digest(record) for record in taken])
            items.append(Item(key, tuple(taken) if len(taken) > 1 else taken[0]))
    return items, digest_of_inputs(outputs)


def digest_of_inputs(digests: Sequence[str]) -> str:
    """Return one digest for those of all that a stage reads, in the order of the stages."""
    return digests[0] if len(digests) == 1 else fingerprint(*digests)


def _committed(recipe: Recipe, stage: str, shard: int, *, pixels: bool) -> tuple[list[Record], str]:
    """Return what an earlier stage committed of a shard, and the digest of it."""
    table = recipe.upstream(stage)
    commit = table.read_commit(shard)
    if commit is None:
        raise UpstreamDamagedError(stage, f"{uris.redact(table.marker(shard))} is gone")
    try:
        rows = table.read_rows(commit, pixels=pixels)
    except DamagedFileError as error:
        raise UpstreamDamagedError(stage, error.what) from error
    return [row.record for row in rows], commit.outputs
