"""Stage functions, built once a process: their models stay warm for the tasks after.

The caches live in an importable module, and not in `__main__`, so that they outlive a Ray task.
"""

import importlib
from functools import lru_cache

from itportrait.errors import ItportraitError
from itportrait.stages.recipe import Recipe
from itportrait.stages.stage import StageFunction


def stage_function(recipe: Recipe) -> StageFunction:
    """Return the function of a recipe's stage.

    Raises:
        ItportraitError: the stage cannot start; says why.
        OSError: storage failed; to be tried again.
    """
    try:
        return _built_elsewhere(recipe) if recipe.builder else _built(recipe)
    except (ItportraitError, OSError):
        raise
    except Exception as error:
        raise ItportraitError(
            f"{recipe.name} cannot start: {type(error).__name__}: {error}"
        ) from error


@lru_cache(maxsize=8)
def _built(recipe: Recipe) -> StageFunction:
    return recipe.definition.build(recipe)


def _built_elsewhere(recipe: Recipe) -> StageFunction:
    module, _, function = recipe.builder.partition(":")
    return getattr(importlib.import_module(module), function)(recipe)
