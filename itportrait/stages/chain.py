"""The order in which photos go through stages, checked before anything runs."""

from collections.abc import Sequence

from itportrait.errors import InvalidArgumentError
from itportrait.io.names import check_name
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import stage_named
from itportrait.stages.stage import Stage

JOB_PLACES = frozenset({"bank", "deliverables", "gallery", "report.html", "run.json"})
"""Names below a job's output that are no tables of stages."""


def check_chain(names: Sequence[str]) -> None:
    """Check that stages can follow one another in an order.

    Args:
        names: of the stages, the first one first; the last one runs once for each domain.

    Raises:
        UnknownNameError: a name is none of a stage.
        InvalidArgumentError: a stage cannot stand in its place; says which, and why.
    """
    if not names:
        raise InvalidArgumentError("stages", expected="one stage or more", actual="none")
    stages = [stage_named(name) for name in names]
    if len(set(names)) < len(names):
        raise InvalidArgumentError("stages", expected="each stage once", actual=list(names))
    _check_names(names, stages)
    for place, stage in enumerate(stages):
        if (place == 0) != (stage.follows is None):
            raise InvalidArgumentError(
                f"stage {stage.name!r}",
                expected="the first stage" if stage.follows is None else "behind another stage",
                actual=f"number {place + 1} of {', '.join(names)}",
            )
        if stage.per_domain != (place == len(stages) - 1):
            raise InvalidArgumentError(
                f"stage {stage.name!r}",
                expected="the last stage, which alone runs once for each domain",
                actual=f"number {place + 1} of {', '.join(names)}",
            )
        unknown = stage.unknown_when_failed()
        if unknown:
            raise InvalidArgumentError(
                f"stage {stage.name!r}",
                expected="rows whose needed fields stand in the records that it takes",
                actual=f"{stage.record_type.__name__} with {', '.join(unknown)}",
                remedy="give these fields defaults, or override failed_row",
            )
        recipe = Recipe(stage=stage.name, output="", config="", after=tuple(names[:place]))
        for kind in stage.takes:
            recipe.giver(kind)


def _check_names(names: Sequence[str], stages: Sequence[Stage]) -> None:
    """Check that every stage has the name it is registered under and a folder of its own."""
    owners: dict[str, str] = {}
    for name, stage in zip(names, stages, strict=True):
        if stage.name != name:
            raise InvalidArgumentError(
                f"name of the stage {name!r}",
                expected="the one it is registered under",
                actual=repr(stage.name),
                remedy=f"set `name` of {type(stage).__name__}",
            )
        # Many file systems take `Aligned` and `aligned` for one folder.
        folder = check_name(stage.folder, f"folder of the stage {name!r}").lower()
        owner = "the job" if folder in JOB_PLACES else owners.setdefault(folder, repr(name))
        if owner != repr(name):
            raise InvalidArgumentError(
                f"folder of the stage {name!r}",
                expected="a folder of its own",
                actual=f"{stage.folder!r}, the place of {owner}",
                remedy=f"set `folder` of {type(stage).__name__}",
            )
