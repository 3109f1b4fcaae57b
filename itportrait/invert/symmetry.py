"""Inversion with a symmetry prior: the mirror image says what the hidden side of a face looks like.

Paper: "3D GAN Inversion with Facial Symmetry Prior" (Yin et al., CVPR 2023).
Differences: a batch of portraits is inverted at once. Faces are mirrored, their light is not: a
mirror image is compared in the light of the render, so that it gives its lines and not its shadows;
what lies behind the head is not compared. Its camera follows the portrait's as that is refined. In
tuning, mirrored neighbors are compared as a whole, not mouth and eyes alone, so that no landmarks
are needed; a neighbor's pixels count less the more the view is turned, and the depth that warps
them is turned into z. Depth is held as `pti` holds it, from cameras at both sides.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from itportrait.config import Settings
from itportrait.geometry.camera import mirror_camera
from itportrait.invert.loop import RowRandom
from itportrait.invert.mirror import in_light_of, mirror_image
from itportrait.invert.neighbors import Model, Shape, WarpConfig, beside, warped
from itportrait.invert.problem import Problem, Solution, Target
from itportrait.invert.pti import PivotalTuning
from itportrait.invert.tuning import TuningConfig
from itportrait.learning.seeds import key_rng

if TYPE_CHECKING:
    from itportrait.bundle import Bundle
    from itportrait.invert.settings import InversionSettings


class SymmetryConfig(TuningConfig):
    """How the generator is tuned to a portrait, its mirror image, and their neighbors."""

    code_mirror: float = Field(default=0.5, ge=0)
    """Factor on the weight of the mirror image while the code is optimized; the weight itself
    follows from the yaw."""
    view_weight: float = Field(default=1.0, ge=0)
    """Weight of the loss of a neighbor of the portrait, over that of the portrait."""
    mirror_weight: float = Field(default=1.0, ge=0)
    """Factor on the weight of a neighbor of the mirror image; the weight itself follows from the
    yaw."""
    light_cells: int = Field(default=32, ge=1)
    """Number of cells along each side of the picture in which mirrored faces take the mean color
    of the render, since light is not mirrored; at most half as many as pixels."""
    neighbors: int = Field(default=6, ge=1)
    """Number of neighbors of the portrait, and of its mirror image."""
    yaw_rad_beside: float = Field(default=0.3, gt=0)
    """Largest turn of these from the portrait's camera to both sides, in radians."""
    pitch_rad_beside: float = Field(default=0.1, ge=0)
    """Largest turn of these from the portrait's camera up and down, in radians."""
    warp: WarpConfig = Field(default_factory=WarpConfig)
    """Which pixels of the portrait are taken for those of a neighbor."""


class SymmetryTuning(PivotalTuning):
    """W+ optimization with the mirror image, then tuning to neighbors of both.

    Args:
        config: of the stage.
        bundle: models.
    """

    Config: ClassVar[type[Settings]] = SymmetryConfig

    def __init__(self, config: "InversionSettings", bundle: "Bundle") -> None:
        super().__init__(config, bundle)
        assert isinstance(self.options, SymmetryConfig)
        self.symmetry = self.options
        self.light_cells = min(
            self.symmetry.light_cells, max(bundle.generator.image_resolution // 2, 1)
        )

    def codes(self, problem: Problem) -> list[Solution]:
        """Return the code and camera of each portrait, found with its mirror image."""
        if not self.symmetry.code_mirror:
            return super().codes(problem)
        mirrored = mirror_image(
            problem.targets[0], factor=self.symmetry.code_mirror, light_cells=self.light_cells
        )
        return super().codes(replace(problem, targets=(*problem.targets, mirrored)))

    def tune(self, problem: Problem, solutions: list[Solution]) -> list[Solution]:
        """Tune the generator to portraits and to neighbors of them and of their mirror images.

        Args:
            problem: the portraits.
            solutions: their codes, none of them a failure.
        """
        views = self.neighbors(problem, solutions)
        return self.tuner(problem, solutions, self.symmetry, views).run()

    def neighbors(self, problem: Problem, solutions: list[Solution]) -> list[Target]:
        """Return views beside the portraits, and beside their mirror images.

        Args:
            problem: the portraits, with the cameras that were found.
            solutions: their codes.
        """
        ws = torch.stack([solution.w_plus for solution in solutions])
        model, portraits = Model(self.bundle.generator, ws), problem.targets[0]
        turned = mirror_image(
            portraits, factor=self.symmetry.mirror_weight, light_cells=self.light_cells
        )
        counts = portraits.camera.new_full((len(ws),), self.symmetry.view_weight)
        portraits = replace(portraits, weight=counts)
        shape, turned_shape = model.shape(portraits.camera), model.shape(turned.camera)
        random = RowRandom([key_rng(self.config.seed, f"{key}:neighbors") for key in problem.keys])
        views: list[Target] = []
        for _ in range(self.symmetry.neighbors):
            camera = beside(
                portraits.camera,
                random,
                yaw_rad=self.symmetry.yaw_rad_beside,
                pitch_rad=self.symmetry.pitch_rad_beside,
                orbit=self.bundle.orbit,
            )
            views.append(self._neighbor(portraits, shape, camera, model))
            views.append(self._neighbor(turned, turned_shape, mirror_camera(camera), model))
        return views

    def _neighbor(self, source: Target, shape: Shape, camera: Tensor, model: Model) -> Target:
        """Return what a view shows of another one from cameras `[N, 25]`.

        Args:
            source: the portraits, or their mirror images, with the weight of their neighbors.
            shape: depth from the source's cameras.
            camera: of the view that is returned.
            model: the portraits as their codes are drawn.
        """
        seen, trust = warped(
            source.image,
            source.mask,
            shape,
            model.shape(camera),
            config=self.symmetry.warp,
            orbit=self.bundle.orbit,
        )
        if source.light_cells is not None:
            seen = in_light_of(seen, model.picture(camera), trust, source.light_cells)
        return Target(seen, camera, mask=trust, weight=source.weight)
