"""Run stages in this process, without Ray; the command line does so on a folder."""

from collections.abc import Callable, Iterable, Iterator

from itportrait.engine.repeats import Repeats
from itportrait.engine.totals import StageTotals
from itportrait.engine.verdicts import ALONE, MEMORY_LOST
from itportrait.engine.work import ShardTask, run_shard
from itportrait.errors import NoInputError
from itportrait.io import uris
from itportrait.io.commits import Commit
from itportrait.stages.items import load_items
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard


def run_stage(
    recipe: Recipe,
    shards: Iterable[Shard],
    on_commit: Callable[[Commit], None] = lambda commit: None,
) -> StageTotals:
    """Bring shards of one stage to their committed state, one after the other.

    Args:
        recipe: of the stage.
        shards: with their sources for a stage that takes photos; their numbers alone otherwise.
        on_commit: called after each.
    """
    totals, repeats = StageTotals(), Repeats()
    for shard in shards:
        copy_from = () if recipe.takes_photos else repeats.sources(recipe, shard.index)
        try:
            commit = run_shard(recipe, ShardTask(shard, copy_from=copy_from))
        except MemoryError:
            commit = _one_by_one(recipe, shard, copy_from)
        repeats.end(recipe, shard.index)
        totals.add(commit, kept=False)
        on_commit(commit)
    return totals


def _one_by_one(recipe: Recipe, shard: Shard, copy_from: tuple[int, ...]) -> Commit:
    """Bring a shard to its committed state item by item, where memory does not hold all of it at
    once."""
    lacking: dict[int, tuple[str, str]] = {}
    for position in range(len(load_items(recipe, shard)[0])):
        try:
            run_shard(recipe, ShardTask(shard, position, position + 1, copy_from=copy_from))
        except MemoryError as error:
            reason = f"{ALONE} it needs more memory than this machine has ({error})"
            lacking[position] = MEMORY_LOST, reason
    task = ShardTask(shard, quarantined=lacking, searched=True, copy_from=copy_from)
    return run_shard(recipe, task)


def committed_shards(recipe: Recipe) -> Iterator[Shard]:
    """Yield the shards that the stage before has committed and that hold portraits.

    Raises:
        NoInputError: there is none; names the folder and the command that makes them.
    """
    stage = recipe.previous
    table = recipe.upstream(stage)
    found = False
    for commit in table.commits():
        found = True
        if commit.rows_ok:
            yield Shard(commit.shard, ())
    if not found:
        raise NoInputError(
            f"nothing committed at {uris.redact(table.root)}; run `itportrait {stage}` first"
        )
