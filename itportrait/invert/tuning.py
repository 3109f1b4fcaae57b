"""Tuning of the generator to portraits whose codes are known: a batch, each with its own weights.

Other views are held twice. A loss keeps their depth near the untuned generator's, from a camera
that is drawn anew for each step and portrait. And at intervals a check renders both sides: depth
must vary as the untuned one does, and the sides must not look less like the portrait than without
tuning. A portrait keeps the weights that passed the check last, and ends where it fails again.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from pydantic import Field, field_validator
from torch import Tensor

from itportrait.config import Settings
from itportrait.generator import Generator
from itportrait.generator.substitutes import substituted
from itportrait.invert.differences import Differences, tuned_parameters
from itportrait.invert.loop import Kept, RowLoop, RowRandom
from itportrait.invert.neighbors import around
from itportrait.invert.objective import Objective, where_seen
from itportrait.invert.pivots import Pivots, SideCheck
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.rows import Plateau, RowAdam, RowSchedule
from itportrait.invert.settings import LossWeights
from itportrait.invert.views import DrawnViews
from itportrait.learning.copies import copied
from itportrait.learning.seeds import key_rng
from itportrait.styles import WeightDelta

if TYPE_CHECKING:
    from itportrait.bundle import Bundle

log = logging.getLogger(__name__)


class TuningConfig(Settings):
    """How the generator is tuned to a portrait."""

    steps: int = Field(default=90, ge=1)
    """Largest number of tuning steps."""
    lr: float = Field(default=4e-3, gt=0)
    """Learning rate of the weights' differences."""
    rank: int | None = Field(default=12, ge=1)
    """Rank of the difference of each weight matrix; None tunes differences in full."""
    warm_up: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps over which the learning rate rises linearly."""
    ramp_down: float = Field(default=0.25, ge=0, le=1)
    """Share of the steps over which the learning rate falls to zero along a cosine."""
    weights: LossWeights = Field(default_factory=lambda: LossWeights(identity=0.1))
    """Weights of the loss of the input view; those of the code and the camera do not count."""
    depth: float = Field(default=10.0, ge=0)
    """Weight of the squared difference of depth from the untuned generator's in other views."""
    colors: float = Field(default=0.0, ge=0)
    """Weight of the squared difference of colors from the untuned generator's in the same views, in
    [-1, 1] and before super-resolution. It keeps views that the code shows well; the input's view
    gets more alike more slowly."""
    depth_every: int = Field(default=2, ge=1)
    """Steps between those that compare depth and colors."""
    yaw_rad: float = Field(default=0.6, gt=0)
    """Largest yaw of the cameras that depth and colors are compared from, to both sides, in
    radians."""
    pitch_rad: float = Field(default=0.25, ge=0)
    """Largest pitch of the cameras that depth and colors are compared from, up and down, in
    radians."""
    target_perceptual: float = Field(default=0.008, ge=0)
    """Perceptual distance of the input view at which a portrait has converged."""
    min_gain: float = Field(default=0.02, ge=0)
    """Relative fall of the loss within `patience` steps below which a portrait has converged."""
    patience: int = Field(default=20, ge=1)
    """Number of steps within which `min_gain` must be reached."""
    check_every: int = Field(default=20, ge=1)
    """Steps between checks of the views at both sides."""
    check_yaw_rad: float = Field(default=0.4, gt=0)
    """Yaw of these two views, in radians."""
    depth_variance: tuple[float, float] = (0.8, 1.25)
    """Range of the variance of depth in these views, over the untuned generator's."""
    side_loss: float = Field(default=1.05, gt=0)
    """Largest perceptual distance of these views from the portrait, over that of the untuned
    generator's views."""
    failed_checks: int = Field(default=2, ge=1)
    """Number of checks in a row that fail before a portrait's tuning ends."""

    @field_validator("depth_variance")
    @classmethod
    def _range_is_in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        least, most = value
        if not 0 <= least < most:
            raise ValueError(f"expected 0 <= smallest < largest, got {least} and {most}")
        return value


class Tuner(RowLoop):
    """Tunes the generator to the portraits of a batch.

    Args:
        problem: the portraits; the cameras of its targets are taken as they are.
        solutions: the portraits' codes, one for each portrait.
        options: how.
        bundle: models.
        seed: of what is drawn, with the record's id.
        early_stop: whether a portrait that has converged ramps down early and leaves the batch.
        views: further views of the portraits, of which every step looks at one.
    """

    kind = "step of tuning"

    def __init__(
        self,
        problem: Problem,
        solutions: Sequence[Solution],
        *,
        options: TuningConfig,
        bundle: "Bundle",
        seed: int,
        early_stop: bool,
        views: DrawnViews | None = None,
    ) -> None:
        self.options, self.bundle, self.keys = options, bundle, problem.keys
        self.early_stop, self.views = early_stop, views
        self.base = tuned_parameters(bundle.generator)
        self.differences = Differences(self.base, options.rank)
        values = self.differences.start(problem.keys, seed)
        rows, device = len(problem.keys), problem.images.device
        schedule = RowSchedule(
            rows,
            steps=options.steps,
            warm_up=options.warm_up,
            ramp_down=options.ramp_down,
            device=device,
        )
        super().__init__(
            problem.keys, RowAdam(values, dict.fromkeys(values, options.lr)), schedule, device
        )
        self.plateau = Plateau(
            rows, min_gain=options.min_gain, patience=options.patience, device=device
        )
        self.objective = Objective(options.weights, bundle, problem.targets)
        self.pivots = Pivots(bundle.generator, solutions)
        self.check = SideCheck(
            self.pivots,
            problem.targets[0],
            bundle.perceptual,
            orbit=bundle.orbit,
            yaw_rad=options.check_yaw_rad,
            depth_variance=options.depth_variance,
            side_loss=options.side_loss,
        )
        self.random = RowRandom([key_rng(seed, f"{key}:views") for key in problem.keys])
        self.passed = _Passed(values)

    def parts(self) -> list[Kept]:
        """Return what holds values of every portrait; see `RowLoop.parts`."""
        views = [] if self.views is None else [self.views]
        return [
            *(self.plateau, self.objective, self.pivots, self.check, self.random, self.passed),
            *views,
        ]

    def generator(self) -> Generator:
        """Return the generator as it is tuned to the portraits of the batch."""
        changes = self.differences.of(self.adam.values)
        values = {name: self.base[name] + change for name, change in changes.items()}
        return substituted(self.bundle.generator, values)

    def step(self) -> Tensor:
        """Take one step; return the mask of portraits that are not finite any more."""
        generator, ws = self.generator(), self.pivots.ws
        planes = generator.planes(ws)
        renderings = [
            generator.render(planes, ws, camera) for camera in self.objective.cameras(None)
        ]
        loss = picture = self.objective.pictures(renderings)
        holds = self.options.depth or self.options.colors
        if holds and self.schedule.step % self.options.depth_every == 0:
            loss = loss + self._change_of_views(generator, planes)
        if self.views is not None:
            loss = loss + self.views.loss(generator, planes, ws)
        broken = self.descend(loss)
        if self.early_stop:
            alike = self._alike(renderings[0].final_image.detach())
            self.schedule.converge(alike | self.plateau.update(picture.detach()))
        self._check_sides()
        return broken

    def solution(self, position: int, *, steps: int, seconds: float, failure: str) -> Solution:
        """Return what was found for a portrait; see `RowLoop.solution`.

        A portrait whose tuning breaks is none that fails: it has its code, and the weights that
        passed the check last.
        """
        if failure:
            log.warning(
                "tuning of portrait %s: %s; it keeps the weights that passed the check last",
                self.keys[self.index[position]],
                failure,
            )
        pivot, delta = self.pivots.solutions[position], self._delta(position)
        return Solution(
            w_plus=pivot.w_plus,
            camera=pivot.camera,
            steps=pivot.steps + steps,
            seconds=pivot.seconds + seconds,
            delta=delta,
            tuning="tuned" if delta else "not finite" if failure else "views did not hold",
        )

    def _delta(self, position: int) -> WeightDelta | None:
        """Return the difference that passed last: of what has changed, or None for no change."""
        values = {name: value[position, None] for name, value in self.passed.values.items()}
        changes = {
            name: change[0]
            for name, change in self.differences.of(values).items()
            if bool(change.any())
        }
        return WeightDelta(changes, self.options.rank) if changes else None

    def _change_of_views(self, generator: Generator, planes: Tensor) -> Tensor:
        """Return the weighted change of depth and colors seen from cameras at random, `[N]`."""
        cameras = around(
            planes,
            self.random,
            yaw_rad=self.options.yaw_rad,
            pitch_rad=self.options.pitch_rad,
            orbit=self.bundle.orbit,
        )
        with torch.no_grad():
            untuned = self.pivots.render(cameras, super_resolve=False)
        tuned = generator.render(planes, self.pivots.ws, cameras, super_resolve=False)
        depth = (tuned.image_depth - untuned.image_depth).square().flatten(1).mean(1)
        loss = self.options.depth * depth
        if self.options.colors:
            colors = (tuned.image_raw - untuned.image_raw).square().flatten(1).mean(1)
            loss = loss + self.options.colors * colors
        return loss

    @torch.no_grad()
    def _alike(self, image: Tensor) -> Tensor:
        target = self.objective.portraits
        image = where_seen(image, target.image, target.mask)
        distance = self.bundle.perceptual.distance(image, target.image)
        return distance <= self.options.target_perceptual

    @torch.no_grad()
    def _check_sides(self) -> None:
        """Keep the weights of portraits whose other views hold; end those that fail again.

        A portrait is checked at its intervals and at its own end, and not where another one ends:
        its result must not depend on the batch.
        """
        step = self.schedule.step + 1
        due = self.schedule.end <= step
        if step % self.options.check_every == 0:
            due = torch.ones_like(due)
        if not bool(due.any()):
            return
        holds = self.check.holds(self.generator())
        failures = self.passed.update(self.adam.values, holds, due)
        now = torch.full_like(self.schedule.end, self.schedule.step)
        ends = due & (failures >= self.options.failed_checks)
        self.schedule.end = torch.where(ends, now, self.schedule.end)


class _Passed:
    """The values of each portrait that passed the check last; at first, those of no difference."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self.values = copied(values)
        first = next(iter(self.values.values()))
        self.failures = torch.zeros(len(first), dtype=torch.long, device=first.device)

    def update(self, values: Mapping[str, Tensor], holds: Tensor, due: Tensor) -> Tensor:
        """Take the values of portraits that are due and hold.

        Returns:
            How many checks of each portrait failed in a row, `[N]`.
        """
        taken = due & holds
        for name, value in values.items():
            self.values[name][taken] = value.detach()[taken]
        failed = self.failures + (due & ~holds)
        self.failures = torch.where(taken, 0, failed)
        return self.failures

    def keep(self, rows: Tensor) -> None:
        self.values = {name: value[rows] for name, value in self.values.items()}
        self.failures = self.failures[rows]
