"""Pivotal tuning: a W+ code first, then the generator's weights around it.

Paper: "Pivotal Tuning for Latent-based Editing of Real Images" (Roich et al., TOG 2022).
Differences: a batch of portraits is tuned at once, each with weights of its own and its own end;
the code is one of W+ with the camera refined, as tuning then has less to change; depth is held near
the untuned generator's from cameras at both sides, and tuning ends where the views from the sides
get worse (the paper looks at the input view alone); the mapping is not tuned; the difference can be
of low rank.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from itportrait.config import Settings
from itportrait.invert.choice import tune_where_it_pays
from itportrait.invert.methods import Inversion
from itportrait.invert.problem import Problem, Solution, Target
from itportrait.invert.settings import InversionSettings
from itportrait.invert.tuning import Tuner, TuningConfig
from itportrait.invert.views import DrawnViews
from itportrait.invert.w_plus import WPlusInversion

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


_FULL_MB, _MB_OF_A_RANK = 60.0, 0.1
"""Sizes of differences of the published generator of 512 pixels: in full, and for each rank."""


class PivotalTuning(Inversion):
    """W+ optimization of a batch, then tuning of the generator to each of its portraits.

    Args:
        config: of the stage.
        bundle: models.
    """

    Config: ClassVar[type[Settings]] = TuningConfig
    tunes: ClassVar[bool] = True

    def __init__(self, config: InversionSettings, bundle: "Bundle") -> None:
        super().__init__(config, bundle)
        self.pivot = WPlusInversion(of_pivot(config), bundle)

    @classmethod
    def check(cls, config: InversionSettings, bundle: "Bundle | None" = None) -> None:
        """Refuse settings that the method or its pivot cannot work with; see `Inversion.check`."""
        super().check(config, bundle)
        WPlusInversion.check(of_pivot(config), bundle)

    @classmethod
    def weights_mb(cls, config: InversionSettings) -> float:
        """Return how many MiB a portrait's difference takes; see `Inversion.weights_mb`."""
        if config.tune == "never":
            return 0.0
        options = cls.Config.parse(config.options, source=f"invert.methods.{config.method}")
        assert isinstance(options, TuningConfig)
        rank = options.rank
        return _FULL_MB if rank is None else min(rank * _MB_OF_A_RANK, _FULL_MB)

    def run(self, problem: Problem) -> list[Solution]:
        """Return one solution per portrait, in order; those whose tuning held have a delta."""
        solutions = self.codes(problem)
        return tune_where_it_pays(
            problem, solutions, self.tune, config=self.config, bundle=self.bundle
        )

    def codes(self, problem: Problem) -> list[Solution]:
        """Return the code and camera of each portrait, which its tuning starts from."""
        return self.pivot.run(problem)

    def tune(self, problem: Problem, solutions: list[Solution]) -> list[Solution]:
        """Tune the generator to portraits, seen from the cameras that were found with their codes.

        Args:
            problem: the portraits.
            solutions: their codes, none of them a failure.
        """
        assert isinstance(self.options, TuningConfig)
        return self.tuner(problem, solutions, self.options).run()

    def tuner(
        self,
        problem: Problem,
        solutions: list[Solution],
        options: TuningConfig,
        views: Sequence[Target] = (),
    ) -> Tuner:
        """Return what tunes the generator to portraits, and to further views of them."""
        drawn = None
        if views:
            drawn = DrawnViews(
                views,
                problem.keys,
                weights=options.weights,
                bundle=self.bundle,
                seed=self.config.seed,
            )
        return Tuner(
            problem,
            solutions,
            options=options,
            bundle=self.bundle,
            seed=self.config.seed,
            early_stop=self.config.early_stop,
            views=drawn,
        )


def of_pivot(config: InversionSettings) -> InversionSettings:
    """Return the settings of the stage for the method that finds the code to tune around."""
    return config.model_copy(update={"method": "w_plus", "tune": "never"})
