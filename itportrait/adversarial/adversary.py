"""The discriminator in training, and what it asks of a generator."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.adapt.workers import Workers
from itportrait.adversarial.augment import Augmentation
from itportrait.adversarial.blur import blurred
from itportrait.adversarial.config import AdversarialConfig
from itportrait.adversarial.density import density_difference
from itportrait.adversarial.discriminator import Discriminator, make_discriminator
from itportrait.adversarial.parts import draw_weights
from itportrait.adversarial.shown import Shown
from itportrait.bundle import Bundle
from itportrait.generator import Generator
from itportrait.learning.copies import copied
from itportrait.learning.seeds import step_rng


class Adversary:
    """A discriminator that learns to tell the pictures of a set from a generator's.

    A step of a method takes `generator_term` into the loss of its generator, and then calls
    `discriminator_step` once. All random numbers belong to the step, so a resumed run goes on as it
    would have gone on.

    Differences to EG3D's program: the R1 penalty is part of a step's loss instead of a step of its
    own; it is taken on pictures as the discriminator sees them, behind the augmentation; and the
    settings count pictures, of all workers together, and not thousands of them.

    Args:
        config: sizes, losses, augmentation.
        bundle: its generator gives the sizes of pictures, its perceptual network may look at them.
        seed: of the run.
        workers: those that train together; gradients are averaged over them.
        raw_side: side of the raw pictures; None is the generator's.
    """

    def __init__(
        self,
        config: AdversarialConfig,
        bundle: Bundle,
        seed: int,
        workers: Workers,
        *,
        raw_side: int | None = None,
    ) -> None:
        generator = bundle.generator
        self.config, self.seed, self.workers = config, seed, workers
        self.side = generator.image_resolution
        self.raw_side = raw_side or generator.neural_rendering_resolution
        self.discriminator: Discriminator = make_discriminator(config, self.side, bundle.perceptual)
        draw_weights(self.discriminator, step_rng(seed, 0, 0, "discriminator"))
        self.discriminator.to(generator.device)
        self.parameters = list(self.discriminator.parameters())
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(
            self.parameters, lr=config.learning_rate, betas=config.betas
        )
        self.augmentation = Augmentation(config)

    def real(self, image: Tensor, cameras: Tensor) -> Shown:
        """Return pictures of the set, `[N, 3, H, W]` in [-1, 1], as the discriminator takes them.

        Args:
            image: of any size.
            cameras: `[N, 25]`, known or estimated.
        """
        return Shown.real(image, cameras, side=self.side, raw_side=self.raw_side)

    def generator_term(self, fake: Shown, index: int) -> Tensor:
        """Return what a generator is to minimize: the non-saturating loss, a scalar.

        Args:
            fake: its pictures, with gradients.
            index: number of the step, from 0.
        """
        self.discriminator.requires_grad_(False)
        return F.softplus(-self._scores(fake, index, "generator")).mean()

    def density_term(self, generator: Generator, planes: Tensor, index: int) -> Tensor | None:
        """Return the weighted density regularizer in the steps that have one, else None.

        Args:
            generator: in training.
            planes: its scenes of this step, with gradients.
            index: number of the step, from 0.
        """
        config = self.config
        if not config.density or index % config.density_every:
            return None
        rng = step_rng(self.seed, self.workers.rank, index, "density")
        weight = config.density * config.density_every
        return weight * density_difference(generator, planes, config, rng)

    def discriminator_step(self, real: Shown, fake: Shown, index: int) -> dict[str, float]:
        """Train the discriminator by one step, and return numbers for the log.

        Args:
            real: pictures of the set, with cameras.
            fake: pictures of the generator; what they were computed from is left alone.
            index: number of the step, from 0.
        """
        config = self.config
        self.discriminator.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        fakes = self._scores(fake.detach(), index, "fake")
        seen = self._seen(real.detach(), index, "real")
        penalized = bool(config.r1) and index % config.r1_every == 0
        seen = seen.requires_grad() if penalized else seen
        reals = self.discriminator(seen)
        loss = F.softplus(fakes).mean() + F.softplus(-reals).mean()
        log = {"discriminator": float(loss.detach())}
        if penalized:
            penalty = r1_penalty(reals, seen)
            loss = loss + config.r1 / 2 * config.r1_every * penalty
            log["r1"] = float(penalty.detach())
        torch.autograd.backward(loss)
        self.workers.average_gradients(self.parameters)
        self.optimizer.step()
        sign = self.workers.average(float(reals.detach().sign().mean()))
        log |= {"real_sign": sign, "augment": self.augmentation.probability}
        self.augmentation.observe(index, sign, len(reals) * self.workers.count)
        return log

    def _scores(self, shown: Shown, index: int, stream: str) -> Tensor:
        return self.discriminator(self._seen(shown, index, stream))

    def _seen(self, shown: Shown, index: int, stream: str) -> Shown:
        """Return pictures as the discriminator sees them in a step: blurred and changed."""
        config = self.config
        if config.blur and config.blur_pictures:
            seen = index * len(shown.cameras) * self.workers.count
            left = 1 - seen / config.blur_pictures
            shown = replace(shown, image=blurred(shown.image, config.blur * max(left, 0.0)))
        rng = step_rng(self.seed, self.workers.rank, index, f"augment-{stream}")
        return self.augmentation.change(shown, rng)

    def state_dict(self) -> dict[str, Any]:
        """Return weights, optimizer and augmentation, as copies."""
        return {
            "discriminator": copied(self.discriminator.state_dict(), "cpu"),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "augmentation": self.augmentation.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.augmentation.load_state_dict(state["augmentation"])


def r1_penalty(scores: Tensor, shown: Shown) -> Tensor:
    """Return the mean over pictures of the squared gradient of their scores. Differentiable.

    Args:
        scores: `[N, K]` of `shown`; those of a picture are averaged.
        shown: pictures that gradients reach; both versions count.
    """
    inputs = [shown.image, shown.image_raw]
    gradients = torch.autograd.grad(scores.mean(1).sum(), inputs, create_graph=True)
    return torch.stack([g.square().sum((1, 2, 3)) for g in gradients]).sum(0).mean()
