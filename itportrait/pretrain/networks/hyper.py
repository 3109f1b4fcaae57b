"""Train the hyper-network on the finished generator and encoder.

A step runs all passes over a few drawn people, each with a second view. After each pass the
gradient of the error by the changes is computed once; it is what the next pass is told, and it is
also what the pass before is trained with, so that training costs no more than running. Errors count
by their logarithm, as PSNR does. In one pass of a step, another view of the same people counts too,
so that shapes hold.

At first the network takes damped Gauss-Newton steps, whose curvature is the mean over portraits.
"""

import copy
import logging
from collections.abc import Callable

import torch
from torch import Tensor

from itportrait.generator.base import Generator
from itportrait.geometry.camera import mirror_camera
from itportrait.hyper.passes import Passes
from itportrait.hyper.small_changes import SmallChanges
from itportrait.invert.camera import CORRECTIONS, correct_camera
from itportrait.invert.problem import Target
from itportrait.learning.muon import Muon
from itportrait.learning.seeds import device_rng
from itportrait.metrics import psnr
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.hyper import HyperNetwork
from itportrait.portraits import ORBIT
from itportrait.pretrain.training.augment import recolor, soften
from itportrait.pretrain.training.data import PortraitData
from itportrait.pretrain.training.task import NetworkTask, NetworkTraining, TaskInputs

logger = logging.getLogger(__name__)


class HyperTraining(NetworkTraining):
    """Hyper-parameters of the hyper-network's training."""

    learning_rate: float = 1e-3
    """Learning rate of AdamW, after the warm-up and before it falls."""
    directions_rate: float = 5e-3
    """Learning rate of Muon, which trains the directions."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""
    warmup_steps: int = 30
    """Number of steps over which the learning rate rises."""
    average: float = 0.995
    """Largest share of the averaged weights that is kept in a step."""
    clip_gradient: float = 1.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    batch: int = 4
    """Number of people in a batch."""
    rank: int = 160
    """Number of directions whose rates the network chooses."""
    passes: int = 6
    """Number of passes."""
    damping: float = 100.0
    """Curvature that is added to every direction's in the first steps, which are Gauss-Newton's."""
    curvature_batches: int = 48
    """Number of batches of 8 portraits from which the curvature is estimated, where there are as
    many portraits."""
    novel_weight: float = 0.3
    """Weight of the other view beside the input view."""
    mirrored_share: float = 0.5
    """Share of the people who are mirrored."""
    recolored_share: float = 0.2
    """Share of the portraits whose light, sharpness and noise are changed."""
    refined_share: float = 0.3
    """Share of the portraits whose camera is off, and may be corrected."""
    camera_error: float = 0.5
    """Spread of these cameras' errors, in the aligner's expected errors."""
    half: bool = True
    """Whether the generator runs in bfloat16 in training, which is faster."""


class HyperTask(NetworkTask[HyperNetwork, HyperTraining]):
    """The hyper-network in training.

    Args:
        generator: the finished generator, which is not trained any more.
        encoder: the finished encoder, whose codes are where the passes begin.
        inputs: photos, several views of each person.
        config: hyper-parameters.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: EncoderModel,
        inputs: TaskInputs,
        config: HyperTraining,
    ) -> None:
        device = inputs.device
        self.encoder = encoder.eval().requires_grad_(False).to(device)
        generator = generator.eval().requires_grad_(False).to(device)
        self.changes = SmallChanges(generator, self.encoder.w_std)
        network = HyperNetwork(self.changes.sizes, rank=config.rank, passes=config.passes)
        directions = [network.seeing, network.moving]
        rest = [p for p in network.parameters() if all(p is not known for known in directions)]
        optimizers = [
            Muon(directions, lr=config.directions_rate),
            torch.optim.AdamW(
                rest, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
            ),
        ]
        super().__init__("hyper", network.to(device), optimizers, config, inputs)
        self.groups = self.train.groups()

    def step(self, progress: float, rng: torch.Generator) -> dict[str, float]:
        """Do one step; before the first one, set the directions to those of the curvature."""
        if self.steps == 0:
            self.module.start_from(self._noise_gradients(), damping=self.config.damping)
            self.average.load_state_dict(copy.deepcopy(self.module.state_dict()))
        return super().step(progress, rng)

    def backward(self, progress: float, rng: torch.Generator) -> dict[str, float]:
        """Put the gradients of all passes over a batch in place; return mean errors' logarithms."""
        del progress
        passes, look_aside = self._batch(rng)
        chosen = int(torch.randint(self.config.passes, (), generator=rng))
        with self._precision():
            look = passes.first()
        former = self.module.nothing_yet(self.config.batch)
        first = look.error
        for number in range(self.config.passes):
            change, former = self.module(number, passes.evidence(look), former)
            change = change * passes.allowed
            with self._precision():
                after = passes.look(look.vector + change.detach())
            # The error's logarithm has this gradient, which is the same for light and dark errors.
            slope = after.gradient / after.error.clamp_min(1.0)[:, None]
            if number == chosen and self.config.novel_weight:
                weight = self.config.novel_weight * self.config.passes
                slope = slope + weight * look_aside(after.vector)
            (change * _bounded(slope)).sum().div(len(slope)).backward()
            look, _ = look.better(after)
        if not all(
            p.grad is None or bool(p.grad.isfinite().all()) for p in self.module.parameters()
        ):
            logger.warning("hyper: step %d has no finite gradient; it is left out", self.steps)
            self.module.zero_grad(set_to_none=True)
        return {"log_error_first": _log_mean(first), "log_error": _log_mean(look.error)}

    def _batch(self, rng: torch.Generator) -> tuple[Passes, Callable[[Tensor], Tensor]]:
        """Return the passes over the people of a step, and how vectors act on their other view."""
        config, count = self.config, self.config.batch
        rows = self.groups[self.draw(len(self.groups), count)]
        order = torch.rand(rows.shape, generator=rng).argsort(1)
        rows = rows.gather(1, order)
        flipped = torch.rand(count, generator=rng) < config.mirrored_share
        image, camera = self._view(rows[:, 0], flipped)
        other = self._view(rows[:, 1 % rows.shape[1]], flipped)
        changed = recolor(soften(image.cpu(), rng, noise=0.02), rng).to(self.device)
        which = (torch.rand(count, generator=rng) < config.recolored_share).to(self.device)
        image = torch.where(which[:, None, None, None], changed, image)
        refined = (torch.rand(count, generator=rng) < config.refined_share).float()
        off = config.camera_error * torch.randn(count, len(CORRECTIONS), generator=rng)
        off = (refined[:, None] * off).to(self.device)
        camera = correct_camera(camera, off, ORBIT)
        passes = self._passes(Target(image, camera), refined.to(self.device))

        def look_aside(vector: Tensor) -> Tensor:
            moved = self.changes.without_camera(vector).requires_grad_()
            with self._precision():
                render = self.changes.render(passes.ws, moved, other[1])
            error = 0.5 * (render.float() - other[0]).square().flatten(1).sum(1)
            (slope,) = torch.autograd.grad(error.clamp_min(1.0).log().sum(), moved)
            return self.changes.without_camera(slope)

        return passes, look_aside

    def _view(self, rows: Tensor, flipped: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures and cameras of rows, mirrored where asked."""
        image, camera = self.train.floats(rows), self.train.camera[rows]
        image = torch.where(flipped[:, None, None, None], image.flip(-1), image)
        camera = torch.where(flipped[:, None], mirror_camera(camera), camera)
        return image.to(self.device), camera.to(self.device)

    def _passes(self, target: Target, refined: Tensor) -> Passes:
        return Passes(self.changes, target, self.encoder, refined)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.half)

    def _noise_gradients(self, *, size: int = 8, probes: int = 4) -> Tensor:
        """Return gradients `[n, D]` of white noise on pictures by changes that are drawn too."""
        found: list[Tensor] = []
        for number in range(min(self.config.curvature_batches, -(-len(self.train) // size))):
            rng = device_rng(self.seed, number)
            rows = torch.randint(len(self.train), (size,), generator=rng)
            image, camera = (part.to(self.device) for part in self._view(rows, rows < 0))
            passes = self._passes(Target(image, camera), torch.zeros(size, device=self.device))
            spread = 0.3 * torch.rand(size, 1, generator=rng)
            vector = spread * torch.randn(size, self.changes.size, generator=rng)
            vector = self.changes.without_camera(vector.to(self.device)).requires_grad_()
            with self._precision():
                render = self.changes.render(passes.ws, vector, camera).float()
            for probe in range(probes):
                noise = torch.randn(render.shape, generator=rng).to(self.device)
                keep = probe + 1 < probes
                (gradient,) = torch.autograd.grad(render, vector, noise, retain_graph=keep)
                found.append(self.changes.without_camera(gradient))
        return torch.cat(found)

    def measure(self) -> dict[str, float]:
        """Return PSNRs on held-out people, in dB; see `measure_hyper`."""
        return measure_hyper(self.average, self.changes, self.encoder, self.held_out)

    def model(self) -> HyperNetwork:
        """Return the averaged network."""
        return self.average.eval().requires_grad_(False)


def measure_hyper(
    network: HyperNetwork,
    changes: SmallChanges,
    encoder: EncoderModel,
    data: PortraitData,
    *,
    people: int = 32,
) -> dict[str, float]:
    """Invert held-out people from their true cameras, which are not corrected.

    Returns:
        `psnr` of the view that is inverted, `psnr_novel` of another view of the same people, and
        the same of the encoder's code alone, `psnr_before`, `psnr_novel_before`: means, in dB.
    """
    rows = data.groups()[:people]
    figures: dict[str, list[Tensor]] = {}
    device = encoder.w_std.device
    for seen, other in zip(rows[:, 0].split(8), rows[:, -1].split(8), strict=True):
        image, camera = data.floats(seen, device), data.camera[seen].to(device)
        refined = torch.zeros(len(seen), device=device)
        passes = Passes(changes, Target(image, camera), encoder, refined)
        look, _ = passes.run(network, network.passes)
        vectors = (torch.zeros_like(look.vector), look.vector)
        for end, vector in zip(("_before", ""), vectors, strict=True):
            for name, view in (("psnr", seen), ("psnr_novel", other)):
                render = changes.render(passes.ws, vector, data.camera[view].to(device))
                quality = psnr(render, data.floats(view, device))
                figures.setdefault(name + end, []).append(quality)
    return {name: float(torch.cat(values).mean()) for name, values in figures.items()}


def _log_mean(error: Tensor) -> float:
    return float(error.log().mean())


def _bounded(slope: Tensor) -> Tensor:
    """Return gradients `[N, D]` of which none is far longer than the others.

    A pass that goes astray leads to errors without a finite gradient; nothing is learned of it.
    """
    slope = torch.where(slope.isfinite().all(1, keepdim=True), slope, 0.0)
    length = slope.square().sum(1, keepdim=True).sqrt()
    return slope * (3 * length.median() / length.clamp_min(1e-9)).clamp_max(1)
