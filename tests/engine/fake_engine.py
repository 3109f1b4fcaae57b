"""The real engine on the fake stages."""

from collections.abc import Iterator, Sequence

from itportrait.engine.pieces import StageResources
from itportrait.engine.pipeline import Domain, Pipeline
from itportrait.engine.totals import Totals
from itportrait.engine.window import WindowLimits
from itportrait.ingest import list_sources
from itportrait.on_ray.tasks import RayExecutor
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard, iter_shards

ALIGN, INVERT, STYLIZE = CHAIN

LIMITS = WindowLimits(in_flight=4, backoff_s=0.05)
RESOURCES = {stage: StageResources(num_cpus=1) for stage in (ALIGN, INVERT, STYLIZE)}


def engine(
    recipes: Sequence[Recipe], domains: Sequence[Domain] | None = None, **values
) -> Pipeline:
    """Return the engine, ready to run.

    Args:
        recipes: of `fake_stages.chain`.
        domains: in place of those of the recipes.
        values: of `Pipeline`, in place of small ones.
    """
    first = [recipe for recipe in recipes if not recipe.domain]
    styles = [recipe for recipe in recipes if recipe.domain]
    if domains is None:
        domains = [Domain(recipe.domain, recipe, stage=STYLIZE) for recipe in styles]
    values = {
        "executor": RayExecutor(),
        "limits": LIMITS,
        "resources": RESOURCES,
        "totals": Totals(),
        **values,
    }
    return Pipeline(first, domains, **values)


def shards_of(folder, size: int) -> Iterator[Shard]:
    """Return the shards of a folder, whatever its files are called."""
    return iter_shards(list_sources(str(folder), patterns=["*"]), size)
