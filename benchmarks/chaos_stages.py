"""The real stages, with a record that ends its process, flaky storage and a clock that jumps."""

import os

from benchmarks.jumping_clock import jump
from itportrait.stages.recipe import Recipe
from itportrait.stages.stage import StageFunction
from tests.helpers.flaky_storage import fail_every

CALM, WILD = "benchmarks.chaos_stages:build", "benchmarks.chaos_stages:build_on_flaky_storage"
POISON = "portrait_000077.png"
FAILS_EVERY = 50


def build(recipe: Recipe) -> StageFunction:
    """Return a stage's real computation; in `align`, one record kills the process that opens it."""
    compute = recipe.definition.build(recipe)
    if not recipe.takes_photos:
        return compute

    def align(sources):
        if any(source.uri.endswith(POISON) for source in sources):
            os.kill(os.getpid(), 9)
        return compute(sources)

    return align


def build_on_flaky_storage(recipe: Recipe) -> StageFunction:
    """The same, in a process of which every 50th write fails from now on, and whose clock jumps."""
    fail_every(FAILS_EVERY, first=FAILS_EVERY)
    jump()
    return build(recipe)
