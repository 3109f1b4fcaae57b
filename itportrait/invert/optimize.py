"""The optimization that the W and W+ methods share: a batch of portraits, each on its own clock."""

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from itportrait.generator.whitened import WhitenedSpace
from itportrait.invert.camera import CORRECTIONS
from itportrait.invert.config import InvertConfig
from itportrait.invert.objective import Objective, final_image, finite_rows, squared_error
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.rows import Plateau, RowAdam, RowSchedule, places
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


class BatchOptimizer:
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
        config: InvertConfig,
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
        self.adam = RowAdam(values, rates)
        self.schedule = RowSchedule(
            rows,
            steps=config.steps,
            warm_up=config.warm_up,
            ramp_down=config.ramp_down,
            device=device,
        )
        self.plateau = Plateau(
            rows, min_gain=config.min_gain, patience=config.patience, device=device
        )
        self.objective = Objective(config.weights, bundle, problem.targets)
        self.generators = [key_rng(config.seed, key) for key in problem.keys]
        self.index = list(range(rows))
        self.seconds = [0.0] * rows
        self.solutions: list[Solution | None] = [None] * rows

    def run(self) -> list[Solution]:
        """Optimize until every row has left; return the solutions in the problem's order."""
        while self.index:
            began = time.perf_counter()
            broken = self._step()
            share = (time.perf_counter() - began) / len(self.index)
            for row in self.index:
                self.seconds[row] += share
            self._leave(self.schedule.advance(), broken)
        return [solution for solution in self.solutions if solution is not None]

    def _step(self) -> Tensor:
        """Take one step; return the mask of rows that are not finite any more."""
        u, correction = self.adam.values["u"], self.adam.values.get("correction")
        ws = self.space.color(u + self._noise(u))
        planes = self.bundle.generator.planes(ws)
        renderings = [
            self.bundle.generator.render(planes, ws, camera)
            for camera in self.objective.cameras(correction)
        ]
        loss = self.objective.pictures(renderings) + self.objective.plausibility(u, correction)
        gradients = dict(
            zip(
                self.adam.values,
                torch.autograd.grad(loss.sum(), list(self.adam.values.values())),
                strict=True,
            )
        )
        broken = ~finite_rows(loss[:, None], *gradients.values())
        gradients = {
            name: torch.where(_like(broken, gradient), 0, gradient)
            for name, gradient in gradients.items()
        }
        if self.schedule.step < self.tied_steps:
            gradients["u"] = gradients["u"].mean(1, keepdim=True).expand_as(u)
        self.adam.step(gradients, self.schedule.factor())
        settled = self.schedule.step >= self.tied_steps or self.tied_steps >= self.config.steps
        if self.config.early_stop and settled:
            self.schedule.converge(
                self._converged(loss.detach(), final_image(renderings[0]).detach())
            )
        return broken

    def _converged(self, loss: Tensor, image: Tensor) -> Tensor:
        converged = self.plateau.update(loss)
        if self.config.target_psnr is not None:
            target = 10 ** (-self.config.target_psnr / 10)
            converged = converged | (squared_error(image, self.objective.portraits) <= target)
        return converged

    def _noise(self, u: Tensor) -> Tensor | float:
        progress = self.schedule.step / max(self.config.noise_until * self.config.steps, 1e-6)
        scale = self.noise * max(0.0, 1 - progress) ** 2
        if scale == 0:
            return 0.0
        rows = [torch.randn(u.shape[1:], generator=generator) for generator in self.generators]
        return scale * torch.stack(rows).to(u)

    @torch.no_grad()
    def _leave(self, finished: Tensor, broken: Tensor) -> None:
        leaving = finished | broken
        if not bool(leaving.any()):
            return
        u, correction = self.adam.values["u"], self.adam.values.get("correction")
        cameras = self.objective.cameras(correction)[0]
        for position in places(leaving):
            row, bad = self.index[position], bool(broken[position])
            steps = self.schedule.step - bad
            self.solutions[row] = Solution(
                w_plus=self.space.color(u[position]),
                camera=cameras[position],
                steps=steps,
                seconds=self.seconds[row],
                failure=f"loss or gradient not finite after {steps} steps" if bad else "",
            )
        staying = places(~leaving)
        stay = torch.tensor(staying, dtype=torch.long, device=u.device)
        for part in (self.adam, self.schedule, self.plateau, self.objective):
            part.keep(stay)
        self.index = [self.index[position] for position in staying]
        self.generators = [self.generators[position] for position in staying]


def _like(mask: Tensor, value: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (value.ndim - 1))
