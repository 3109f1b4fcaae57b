"""Pivotal tuning: a W+ code first, then the generator's weights around it.

Paper: "Pivotal Tuning for Latent-based Editing of Real Images" (Roich et al., TOG 2022).
Differences: a batch of portraits is tuned at once, each with weights of its own and its own end;
the code is one of W+ with the camera refined, as tuning then has less to change; depth is held near
the untuned generator's from cameras at both sides, and tuning ends where the views from the sides
get worse (the paper looks at the input view alone); the mapping is not tuned; the difference can be
of low rank.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch

from itportrait.config import Settings
from itportrait.invert.methods import Inversion
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.settings import InversionSettings
from itportrait.invert.tuning import Tuner, TuningConfig
from itportrait.invert.w_plus import WPlusInversion

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


class PivotalTuning(Inversion):
    """W+ optimization of a batch, then tuning of the generator to each of its portraits.

    Args:
        config: of the stage.
        bundle: models.
    """

    Config: ClassVar[type[Settings]] = TuningConfig

    def __init__(self, config: InversionSettings, bundle: "Bundle") -> None:
        super().__init__(config, bundle)
        self.pivot = WPlusInversion(_of_pivot(config), bundle)

    @classmethod
    def check(cls, config: InversionSettings, bundle: "Bundle | None" = None) -> None:
        """Refuse settings that the method or its pivot cannot work with; see `Inversion.check`."""
        super().check(config, bundle)
        WPlusInversion.check(_of_pivot(config), bundle)

    def run(self, problem: Problem) -> list[Solution]:
        """Return one solution per portrait, in order; those whose tuning held have a delta."""
        solutions = self.pivot.run(problem)
        good = [row for row, solution in enumerate(solutions) if not solution.failure]
        if good:
            cameras = torch.stack([solutions[row].camera for row in good])
            keys = tuple(problem.keys[row] for row in good)
            rows = torch.tensor(good, device=cameras.device)
            portraits, *others = [target.keep(rows) for target in problem.targets]
            portraits = replace(portraits, camera=cameras)
            assert isinstance(self.options, TuningConfig)
            tuned = Tuner(
                Problem((portraits, *others), keys),
                [solutions[row] for row in good],
                options=self.options,
                bundle=self.bundle,
                seed=self.config.seed,
                early_stop=self.config.early_stop,
            ).run()
            for row, solution in zip(good, tuned, strict=True):
                solutions[row] = solution
        return solutions


def _of_pivot(config: InversionSettings) -> InversionSettings:
    return config.model_copy(update={"method": "w_plus"})
