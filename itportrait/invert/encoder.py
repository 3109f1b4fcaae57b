"""The encoder's code as it is: no optimization at all.

For previews, and where thousands of portraits must be quick. With `refine_camera`, the encoder's
camera takes the place of the aligner's for the portraits whose code looks more like them from it;
else the aligner's camera is kept.
"""

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from itportrait.errors import MissingModelError
from itportrait.geometry.camera import look_at_camera
from itportrait.invert.methods import Inversion
from itportrait.invert.objective import finite_rows, where_seen
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.settings import InversionSettings

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


class EncoderInversion(Inversion):
    """One pass of the bundle's encoder for a whole batch."""

    @classmethod
    def check(cls, config: InversionSettings, bundle: "Bundle | None" = None) -> None:
        """Refuse a bundle without an encoder; see `Inversion.check`."""
        super().check(config, bundle)
        if bundle is not None and bundle.encoder is None:
            raise MissingModelError(
                f"bundle {bundle.name!r} has no encoder; set invert.method to w_plus"
            )

    @torch.no_grad()
    def run(self, problem: Problem) -> list[Solution]:
        """Return one solution per portrait, in order."""
        self.check(self.config, self.bundle)
        encoder = self.bundle.encoder
        assert encoder is not None  # checked
        began = time.perf_counter()
        ws, angles = encoder(problem.images)
        cameras = problem.cameras
        if self.config.refine_camera:
            others = look_at_camera(angles[:, 0], angles[:, 1], self.bundle.orbit).to(cameras)
            nearer = self._distances(problem, ws, others) < self._distances(problem, ws, cameras)
            cameras = torch.where(nearer[:, None], others, cameras)
        share = (time.perf_counter() - began) / len(ws)
        finite = finite_rows(ws, cameras)
        return [
            Solution(code, camera, steps=0, seconds=share, failure="" if good else _NOT_FINITE)
            for code, camera, good in zip(ws, cameras, finite, strict=True)
        ]

    def _distances(self, problem: Problem, ws: Tensor, cameras: Tensor) -> Tensor:
        """Return the perceptual distances of the codes' renders from the portraits, `[N]`."""
        target = problem.targets[0]
        image = self.bundle.generator.synthesize(ws, cameras).final_image
        image = where_seen(image, target.image, target.mask)
        return self.bundle.perceptual.distance(image, target.image)


_NOT_FINITE = "the encoder's code is not finite"
