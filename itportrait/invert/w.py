"""W inversion: one code for all layers. Less faithful to the input view, and it holds every view.

Paper: StyleGAN2's projector (Karras et al., 2020), with the differences of `w_plus.py`.
"""

from itportrait.generator.whitened import WhitenedSpace
from itportrait.invert.config import InvertConfig
from itportrait.invert.optimize import BatchOptimizer, first_codes, uses_encoder
from itportrait.invert.problem import Problem, Solution


class WInversion:
    """W optimization of a batch; an encoder's W+ guess is averaged over its rows first.

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
        """Return one solution per portrait, in order; the rows of a code are equal."""
        start = first_codes(problem, self.bundle, self.space, encoder=self.encoder)
        return BatchOptimizer(
            problem,
            start.mean(1, keepdim=True).expand_as(start),
            config=self.config,
            bundle=self.bundle,
            space=self.space,
            tied_steps=self.config.steps,
            noise=0.0 if self.encoder else self.config.noise,
        ).run()
