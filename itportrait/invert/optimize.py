"""The optimization that the W and W+ methods share: a batch of portraits, each on its own clock."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from itportrait.generator.whitened import WhitenedSpace
from itportrait.invert.camera import CORRECTIONS
from itportrait.invert.loop import Kept, RowLoop, RowRandom
from itportrait.invert.objective import Objective, squared_error
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.rows import Plateau, RowAdam, RowSchedule
from itportrait.invert.settings import InversionSettings
from itportrait.learning.seeds import key_rng

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


@torch.no_grad()
def first_codes(
    problem: Problem, bundle: "Bundle", space: WhitenedSpace, *, encoder: bool
) -> Tensor:
    """Return whitened codes `[N, num_ws, w_dim]` to start from: the encoder's, or `w_avg`'s."""
    generator = bundle.generator
    if encoder and bundle.encoder is not None:
        codes, _ = bundle.encoder(problem.images)
        return space.whiten(codes)
    shape = (len(problem.images), generator.num_ws, generator.w_dim)
    origin = space.whiten(generator.w_avg.to(space.mean))
    return origin.expand(shape).clone()


class BatchOptimizer(RowLoop):
    """Fits codes (and cameras) of a batch; converged and broken rows leave it.

    Args:
        problem: the portraits.
        start: `[N, num_ws, w_dim]` whitened codes.
        config: of the stage.
        bundle: models.
        space: the whitened W.
        tied_steps: steps in which all rows of a code move alike (W); W+ after that.
        noise: on the code at the first step, in standard deviations.
    """

    def __init__(
        self,
        problem: Problem,
        start: Tensor,
        *,
        config: InversionSettings,
        bundle: "Bundle",
        space: WhitenedSpace,
        tied_steps: int,
        noise: float,
    ) -> None:
        self.config, self.bundle, self.space = config, bundle, space
        self.tied_steps, self.noise = tied_steps, noise
        rows, device = len(problem.images), problem.images.device
        values, rates = {"u": start}, {"u": config.lr}
        if config.refine_camera:
            values["correction"] = start.new_zeros(rows, len(CORRECTIONS))
            rates["correction"] = config.camera_lr
        schedule = RowSchedule(
            rows,
            steps=config.steps,
            warm_up=config.warm_up,
            ramp_down=config.ramp_down,
            device=device,
        )
        super().__init__(problem.keys, RowAdam(values, rates), schedule, device)
        self.plateau = Plateau(
            rows, min_gain=config.min_gain, patience=config.patience, device=device
        )
        self.objective = Objective(config.weights, bundle, problem.targets)
        self.random = RowRandom([key_rng(config.seed, key) for key in problem.keys])

    def parts(self) -> list[Kept]:
        """Return what holds values of every portrait; see `RowLoop.parts`."""
        return [self.plateau, self.objective, self.random]

    def step(self) -> Tensor:
        """Take one step; return the mask of rows that are not finite any more."""
        u, correction = self.adam.values["u"], self.adam.values.get("correction")
        ws = self.space.color(u + self._noise(u))
        planes = self.bundle.generator.planes(ws)
        renderings = [
            self.bundle.generator.render(planes, ws, camera)
            for camera in self.objective.cameras(correction)
        ]
        loss = self.objective.pictures(renderings) + self.objective.plausibility(u, correction)
        broken = self.descend(loss, tied="u" if self.schedule.step < self.tied_steps else "")
        settled = self.schedule.step >= self.tied_steps or self.tied_steps >= self.config.steps
        if self.config.early_stop and settled:
            image = renderings[0].final_image.detach()
            self.schedule.converge(self._converged(loss.detach(), image))
        return broken

    def solution(self, position: int, *, steps: int, seconds: float, failure: str) -> Solution:
        """Return what was found for a portrait; see `RowLoop.solution`."""
        cameras = self.objective.cameras(self.adam.values.get("correction"))[0]
        return Solution(
            w_plus=self.space.color(self.adam.values["u"][position]),
            camera=cameras[position],
            steps=steps,
            seconds=seconds,
            failure=failure,
        )

    def _converged(self, loss: Tensor, image: Tensor) -> Tensor:
        converged = self.plateau.update(loss)
        if self.config.target_psnr is not None:
            portraits = self.objective.portraits
            error = squared_error(image, portraits.image, portraits.mask)
            converged = converged | (error <= 10 ** (-self.config.target_psnr / 10))
        return converged

    def _noise(self, u: Tensor) -> Tensor | float:
        progress = self.schedule.step / max(self.config.noise_until * self.config.steps, 1e-6)
        scale = self.noise * max(0.0, 1 - progress) ** 2
        return scale * self.random.normal(u.shape[1:]).to(u) if scale else 0.0
