"""W+ inversion: one code per layer, from the encoder's guess or from the mean.

Paper: "Image2StyleGAN" (Abdal et al., 2019) opened W+; the schedule (warm-up, cosine ramp-down,
decaying noise) is that of StyleGAN2's projector (Karras et al., 2020). The loss is L2, L1 and a
perceptual distance.
Differences: a whole batch with one clock per row; steps in standard deviations of W (`latents.py`);
a penalty on the spread of the rows, so that the code stays near W and novel views hold; the camera
is refined with the code; convergence ends a row, not a fixed number of steps.
"""

from itportrait.generator.whitened import WhitenedSpace
from itportrait.invert.config import InvertConfig
from itportrait.invert.optimize import BatchOptimizer, first_codes, uses_encoder
from itportrait.invert.problem import Problem, Solution


class WPlusInversion:
    """W+ optimization of a batch; from the mean, W first, so that the shape settles before W+.

    Args:
        config: of the stage.
        bundle: models.
    """

    def __init__(self, config: InvertConfig, bundle) -> None:
        self.config, self.bundle = config, bundle
        self.encoder = uses_encoder(config, bundle)
        self.space = WhitenedSpace.of(
            bundle.generator, samples=config.statistics_samples, seed=config.seed
        )

    def run(self, problem: Problem) -> list[Solution]:
        """Return one solution per portrait, in order."""
        start = first_codes(problem, self.bundle, self.space, encoder=self.encoder)
        w_steps = round(self.config.w_share * self.config.steps)
        return BatchOptimizer(
            problem,
            start,
            config=self.config,
            bundle=self.bundle,
            space=self.space,
            tied_steps=0 if self.encoder else w_steps,
            noise=0.0 if self.encoder else self.config.noise,
        ).run()
