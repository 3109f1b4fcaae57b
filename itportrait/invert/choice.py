"""Tuning where it pays: of portraits that their codes alone do not show well, or of all.

Whether a code shows its portrait well is said by what needs no truth: the perceptual distance and
the identity cosine of its render. People that the generator knows how to draw are so left as they
are, and photos of other people are tuned.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from itportrait.invert.objective import where_seen
from itportrait.invert.problem import Problem, Solution, Target
from itportrait.invert.settings import InversionSettings
from itportrait.metrics import identity

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


def tune_where_it_pays(
    problem: Problem,
    solutions: Sequence[Solution],
    tune: Callable[[Problem, list[Solution]], list[Solution]],
    *,
    config: InversionSettings,
    bundle: "Bundle",
) -> list[Solution]:
    """Tune the generator to those portraits of a batch that `config.tune` names.

    Args:
        problem: the batch. The first target's cameras are replaced by the solutions'.
        solutions: a code for each portrait, or its failure, which is passed on.
        tune: tunes the generator to all portraits of a batch, whose codes and cameras are found.
        config: of the stage.
        bundle: models.

    Returns:
        One solution per portrait, in order; its `tuning` says what became of it.
    """
    found = list(solutions)
    rows = [row for row, solution in enumerate(found) if not solution.failure]
    if not rows or config.tune == "never":
        return found
    chosen = _rows_of(problem, found, rows)
    if config.tune == "auto":
        good = shown_well(chosen.targets[0], [found[row] for row in rows], config, bundle)
        for row, well in zip(rows, good, strict=True):
            if well:
                found[row] = replace(found[row], tuning="good without")
        rows = [row for row, well in zip(rows, good, strict=True) if not well]
        if not rows:
            return found
        chosen = _rows_of(problem, found, rows)
    tuned = tune(chosen, [found[row] for row in rows])
    for row, solution in zip(rows, tuned, strict=True):
        found[row] = solution
    return found


@torch.no_grad()
def shown_well(
    portraits: Target, solutions: Sequence[Solution], config: InversionSettings, bundle: "Bundle"
) -> list[bool]:
    """Return whether each code's render meets both thresholds of `tune: auto`.

    Args:
        portraits: what the renders are compared with, from the solutions' cameras.
        solutions: the codes.
        config: has the thresholds.
        bundle: models.
    """
    ws = torch.stack([solution.w_plus for solution in solutions])
    image = bundle.generator.synthesize(ws, portraits.camera).final_image
    image = where_seen(image, portraits.image, portraits.mask)
    distance = bundle.perceptual.distance(image, portraits.image)
    likeness = identity(image, portraits.image, bundle.identity)
    good = (distance <= config.good_perceptual) & (likeness >= config.good_identity)
    return [bool(well) for well in good]


def _rows_of(problem: Problem, solutions: Sequence[Solution], rows: Sequence[int]) -> Problem:
    """Return the problem of some portraits, with the cameras that their solutions found."""
    cameras = torch.stack([solutions[row].camera for row in rows])
    index = torch.tensor(rows, device=cameras.device)
    portraits, *others = [target.keep(index) for target in problem.targets]
    keys = tuple(problem.keys[row] for row in rows)
    return Problem((replace(portraits, camera=cameras), *others), keys)
