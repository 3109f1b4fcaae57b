"""Inversion to codes alone: one for all layers (W), or one for each of them (W+).

W holds every view and is less faithful to the input; W+ is the other way round.

Paper: "Image2StyleGAN" (Abdal et al., 2019) opened W+; the schedule (warm-up, cosine ramp-down,
decaying noise) is that of StyleGAN2's projector (Karras et al., 2020). The loss is L2, L1 and a
perceptual distance.
Differences: a whole batch with one clock per row; steps in standard deviations of W
(`generator/whitened.py`); a penalty on the spread of the rows, so that the code stays near W and
novel views hold; the camera is refined with the code; convergence ends a row, not a fixed number of
steps.
"""

from typing import TYPE_CHECKING, ClassVar

from itportrait.errors import MissingModelError
from itportrait.generator.whitened import WhitenedSpace
from itportrait.geometry.camera import frontal_camera
from itportrait.invert.methods import Inversion
from itportrait.invert.optimize import BatchOptimizer, first_codes
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.settings import InversionSettings

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


class WPlusInversion(Inversion):
    """W+ optimization of a batch, from the encoder's guess or from the mean.

    From the mean, the rows of a code move alike at first, so that the shape settles before they
    part.

    Args:
        config: of the stage.
        bundle: models.

    Raises:
        MissingModelError: the encoder is asked for and the bundle has none.
    """

    one_code: ClassVar[bool] = False
    """Whether the rows of a code stay equal throughout."""

    def __init__(self, config: InversionSettings, bundle: "Bundle") -> None:
        super().__init__(config, bundle)
        self.encoder = config.start != "mean" and bundle.encoder is not None
        self.space = WhitenedSpace.of(
            bundle.generator,
            frontal_camera(bundle.orbit),
            samples=config.statistics_samples,
            seed=config.seed,
        )

    @classmethod
    def check(cls, config: InversionSettings, bundle: "Bundle | None" = None) -> None:
        """Refuse settings that the method cannot work with; see `Inversion.check`."""
        super().check(config, bundle)
        if config.start == "encoder" and bundle is not None and bundle.encoder is None:
            raise MissingModelError(
                f"bundle {bundle.name!r} has no encoder to start from; "
                "set invert.start to mean or auto"
            )

    def run(self, problem: Problem) -> list[Solution]:
        """Return one solution per portrait, in order."""
        start = first_codes(problem, self.bundle, self.space, encoder=self.encoder)
        if self.one_code:
            start = start.mean(1, keepdim=True).expand_as(start)
            tied_steps = self.config.steps
        else:
            tied_steps = 0 if self.encoder else round(self.config.w_share * self.config.steps)
        return BatchOptimizer(
            problem,
            start,
            config=self.config,
            bundle=self.bundle,
            space=self.space,
            tied_steps=tied_steps,
            noise=0.0 if self.encoder else self.config.noise,
        ).run()


class WInversion(WPlusInversion):
    """W optimization of a batch; an encoder's W+ guess is averaged over its rows first."""

    one_code = True
