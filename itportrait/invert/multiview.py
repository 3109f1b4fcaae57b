"""Pseudo-multi-view inversion: what the photo shows from beside, and a first tuning of the rest.

Paper: "High-fidelity 3D GAN Inversion by Pseudo-multi-view Optimization" (Xie et al., CVPR 2023).
Differences: a batch of portraits is tuned at once. A view takes from the photo what its camera
sees under nearly the same angle, and less the more the view is turned (the paper takes all that is
visible); the rest is the render of a first tuning that is ended early, since the far side of a
portrait gets worse the longer only the photo is looked at. The pixels of a view are looked up in
the photo through depth turned into z, not splatted. Cameras are drawn at both sides of the photo's
and all around the front, for each portrait by itself. Tuning ends as that of `pti` does.
"""

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field

from itportrait.config import Settings
from itportrait.invert.loop import RowRandom
from itportrait.invert.neighbors import Model, WarpConfig, around, beside, warped
from itportrait.invert.problem import Problem, Solution, Target
from itportrait.invert.pti import PivotalTuning
from itportrait.invert.tuning import TuningConfig
from itportrait.learning.seeds import key_rng
from itportrait.styles.generators import tuned

if TYPE_CHECKING:
    from itportrait.generator import Generator


class MultiviewConfig(TuningConfig):
    """How the generator is tuned to a portrait and its pseudo-views."""

    first_steps: int = Field(default=20, ge=0)
    """Number of steps of the first tuning, whose render fills what the photo does not show; with 0
    the untuned generator's does."""
    near_views: int = Field(default=6, ge=0)
    """Number of pseudo-views near the portrait's camera."""
    near_yaw_rad: float = Field(default=0.4, gt=0)
    """Largest turn of these from the portrait's camera to both sides, in radians."""
    near_pitch_rad: float = Field(default=0.15, ge=0)
    """Largest turn of these from the portrait's camera up and down, in radians."""
    wide_views: int = Field(default=6, ge=0)
    """Number of pseudo-views all around the front of the head."""
    wide_yaw_rad: float = Field(default=0.9, gt=0)
    """Largest yaw of these, to both sides, in radians."""
    wide_pitch_rad: float = Field(default=0.2, ge=0)
    """Largest pitch of these, up and down, in radians."""
    view_weight: float = Field(default=1.0, ge=0)
    """Weight of the loss of a pseudo-view, over that of the portrait."""
    warp: WarpConfig = Field(default_factory=WarpConfig)
    """Which pixels of the portrait are taken for those of a pseudo-view."""


class MultiviewTuning(PivotalTuning):
    """W+ optimization of a batch, then tuning to each portrait and to views made of it."""

    Config: ClassVar[type[Settings]] = MultiviewConfig

    def tune(self, problem: Problem, solutions: list[Solution]) -> list[Solution]:
        """Tune twice: to the portraits, and anew to them and to views made with the first result.

        Args:
            problem: the portraits.
            solutions: their codes, none of them a failure.
        """
        options, generator = self._multiview, self.bundle.generator
        if options.first_steps:
            brief = options.model_copy(update={"steps": options.first_steps})
            solutions = self.tuner(problem, solutions, brief).run()
            generator = tuned(generator, [solution.delta for solution in solutions])
        views = self.pseudo_views(problem, solutions, generator)
        return self.tuner(problem, solutions, options, views).run()

    @property
    def _multiview(self) -> MultiviewConfig:
        assert isinstance(self.options, MultiviewConfig)
        return self.options

    def pseudo_views(
        self, problem: Problem, solutions: list[Solution], first: "Generator"
    ) -> list[Target]:
        """Return views made of the portraits, and of renders of `first` where they show nothing.

        Args:
            problem: the portraits, with the cameras of the solutions.
            solutions: their codes.
            first: the generator that fills what a portrait does not show.
        """
        options, orbit = self._multiview, self.bundle.orbit
        portraits = problem.targets[0]
        model = Model(first, torch.stack([solution.w_plus for solution in solutions]))
        source = model.shape(portraits.camera)
        random = RowRandom([key_rng(self.config.seed, f"{k}:pseudo-views") for k in problem.keys])
        cameras = [
            beside(
                portraits.camera,
                random,
                yaw_rad=options.near_yaw_rad,
                pitch_rad=options.near_pitch_rad,
                orbit=orbit,
            )
            for _ in range(options.near_views)
        ]
        cameras += [
            around(
                portraits.camera,
                random,
                yaw_rad=options.wide_yaw_rad,
                pitch_rad=options.wide_pitch_rad,
                orbit=orbit,
            )
            for _ in range(options.wide_views)
        ]
        views: list[Target] = []
        for camera in cameras:
            seen, trust = warped(
                portraits.image,
                portraits.mask,
                source,
                model.shape(camera),
                config=options.warp,
                orbit=orbit,
            )
            image = model.picture(camera).lerp(seen, trust)
            weight = image.new_full((len(image),), options.view_weight)
            views.append(Target(image, camera, weight=weight))
        return views
