"""Stages in this very process, without Ray: what the command line does on a folder."""

from collections.abc import Callable, Iterable, Iterator

from itportrait.engine.pieces import StageResources
from itportrait.engine.poison_search import end_searches
from itportrait.engine.repeats import Repeats
from itportrait.engine.totals import StageTotals
from itportrait.engine.window import Window, WindowLimits
from itportrait.errors import ItportraitError, NoInputError
from itportrait.execution.in_process import InProcessExecutor
from itportrait.io import uris
from itportrait.io.commits import Commit, strip_files
from itportrait.stages.items import UpstreamDamagedError, digest_of_inputs
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard
from itportrait.stages.within import Listener, told_to


def run_stage(
    recipe: Recipe,
    shards: Iterable[Shard],
    on_commit: Callable[[Commit, bool], None] = lambda commit, kept: None,
    on_event: Callable[[str], None] = lambda text: None,
    on_progress: Listener = lambda items, text: None,
) -> StageTotals:
    """Bring shards of one stage to their committed state, one after the other.

    Storage that fails while a shard is computed or written is tried again, and a record that this
    machine has too little memory for becomes a row that says so, as in a job on a cluster. The
    markers that tell what there is to compute are read with the patience of `itportrait.io.uris`
    alone: after a few seconds of failures the error ends the command.

    Args:
        recipe: of the stage.
        shards: with their sources for a stage that takes photos; their numbers alone otherwise.
        on_commit: called after each, with whether it was computed by an earlier run.
        on_event: called with a sentence for people about a retry, a split, a quarantine.
        on_progress: called while a shard is computed, with how far it is.

    Raises:
        ItportraitError: what no retry can mend; everything committed so far stays.
        OSError: the markers cannot be read; everything committed so far stays.
    """
    totals, repeats = StageTotals(), Repeats()
    standing: dict[int, Commit | None] = {}

    def committed(recipe: Recipe, shard: Shard, commit: Commit) -> None:
        repeats.end(recipe, shard.index)
        before = standing.pop(shard.index, None)
        kept = before is not None and strip_files(before) == strip_files(commit)
        totals.add(commit, kept=kept)
        on_commit(commit, kept)

    window = Window(
        InProcessExecutor(),
        WindowLimits(in_flight=1, crash_retries=0, in_process=True),
        {recipe.stage: StageResources(num_cpus=1)},
        on_commit=committed,
        on_damaged=_refuse_damaged,
        on_event=on_event,
    )
    for shard in shards:
        copy_from = () if recipe.takes_photos else repeats.sources(recipe, shard.index)
        standing[shard.index] = recipe.table().read_commit(shard.index)
        window.add(recipe, shard, *_extent(recipe, shard), copy_from)
        with told_to(on_progress):
            while len(window):
                window.step()
    end_searches(recipe)
    return totals


def _extent(recipe: Recipe, shard: Shard) -> tuple[int, str | list[str]]:
    """Return how many inputs a shard of a stage has, and their digest."""
    if recipe.takes_photos:
        return len(shard.sources), shard.keys()
    commits = [recipe.upstream(name).read_commit(shard.index) for name in recipe.reads]
    standing = [commit for commit in commits if commit is not None]
    if len(standing) < len(commits):
        return 0, ""  # the task says which one is gone
    # The last stage that decides about its items is the one just before it.
    return standing[-1].rows_ok, digest_of_inputs([commit.outputs for commit in standing])


def _refuse_damaged(recipe: Recipe, shard: Shard, error: UpstreamDamagedError) -> None:
    """Let the earlier stage compute a shard again, and refuse it until that is done.

    The shard's marker stays: without it, the next run of this command would pass the shard over.
    """
    recipe.upstream(error.stage).remove_damaged(shard.index)
    raise ItportraitError(
        f"{recipe.name}, shard {shard.index}: {uris.redact(str(error.args[-1]))}; it is to be "
        f"computed again: {_how_to_make(error.stage)} again, and then this command"
    )


def _how_to_make(stage: str) -> str:
    """Return what people do to have a stage run: only the package's own have a command."""
    if stage in CHAIN:
        return f"run `itportrait {stage}`"
    return f"run workflows/stylize_dataset.py, whose job has the stage {stage!r},"


def committed_shards(recipe: Recipe) -> Iterator[Shard]:
    """Yield the shards that the stage before has committed and that hold portraits.

    Raises:
        NoInputError: there is none; names the folder and what makes them.
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
            f"nothing committed at {uris.redact(table.root)}; {_how_to_make(stage)} first"
        )
