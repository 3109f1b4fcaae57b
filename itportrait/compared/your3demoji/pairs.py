"""Paired pictures: a random portrait, and the same one as a frozen teacher stylizes it."""

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import Student, training_render, with_weights
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.workers import Workers
from itportrait.compared.jojogan.method import MixingGuide, mix, mixed_rows
from itportrait.compared.your3demoji.config import Your3dEmojiConfig
from itportrait.geometry.camera import look_at_camera
from itportrait.learning.seeds import step_rng


@dataclass(frozen=True)
class Teacher:
    """What the stylized pictures of pairs are drawn with; it never changes.

    Args:
        weights: trained tensors by name.
        style: `[1, num_ws, w_dim]`, the code of the style picture.
        report: quality of the style picture's twin.
    """

    weights: dict[str, Tensor]
    style: Tensor
    report: dict[str, Any]

    @classmethod
    def train(cls, context: MethodContext[Your3dEmojiConfig]) -> Self:
        """Adapt a copy of the base by JoJoGAN's recipe.

        Every worker makes one alone, and all go on with the first's.
        """
        terms = context.config.teacher
        guide = MixingGuide(replace(context, workers=Workers()), terms)
        student = Student(
            context.bundle.generator,
            context.spec.train,
            learning_rate=terms.learning_rate,
            betas=terms.betas,
        )
        for index in range(terms.steps):
            student.update(guide.pull(student, index), Workers())
        pair = guide.pairs[0]
        own = cls(student.weights(), pair.w_plus, pair.report.to_dict())
        state = context.workers.from_first(own.state_dict())
        return cls.from_state(state, context.bundle.generator.device)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and numbers for a checkpoint."""
        weights = {name: value.cpu() for name, value in self.weights.items()}
        return {"weights": weights, "style": self.style.cpu(), "report": self.report}

    @classmethod
    def from_state(cls, state: dict[str, Any], device: torch.device) -> Self:
        """Rebuild a teacher from `state_dict`."""
        weights = {name: value.to(device) for name, value in state["weights"].items()}
        return cls(weights, state["style"].to(device), state["report"])


@dataclass(frozen=True)
class PairedPictures:
    """A batch of pairs: codes `[N, num_ws, w_dim]`, cameras `[N, 25]`, pictures `[N, 3, S, S]`."""

    ws: Tensor
    cameras: Tensor
    photo: Tensor
    toon: Tensor


class PairSource:
    """Draws pairs by their numbers.

    Args:
        context: bundle, domain and settings.
        teacher: of the stylized pictures.
    """

    def __init__(self, context: MethodContext[Your3dEmojiConfig], teacher: Teacher) -> None:
        self.context, self.style = context, teacher.style
        self.base = context.bundle.generator
        self.teacher = with_weights(self.base, teacher.weights)
        self.rows = mixed_rows(context, context.config.teacher)

    def draw(self, rng: torch.Generator) -> PairedPictures:
        """Return the pairs of a step."""
        config = self.context.config
        numbers = torch.randint(config.pairs, (config.batch,), generator=rng)
        scenes = [self._scene(int(number)) for number in numbers]
        ws = torch.cat([codes for codes, _ in scenes])
        cameras = torch.cat([camera for _, camera in scenes])
        return self.pictures(ws, cameras)

    @torch.no_grad()
    def pictures(self, ws: Tensor, cameras: Tensor) -> PairedPictures:
        """Render both pictures of some codes from the same cameras."""
        config = self.context.config
        styled = mix(ws, self.style.expand_as(ws), self.rows, config.style_share)
        photo, toon = (
            training_render(config, generator, codes, cameras).final_image
            for generator, codes in ((self.base, ws), (self.teacher, styled))
        )
        return PairedPictures(ws, cameras, photo, toon)

    def _scene(self, number: int) -> tuple[Tensor, Tensor]:
        """Return the code and the camera of a pair, which depend on its number alone."""
        config, bundle = self.context.config, self.context.bundle
        rng = step_rng(self.context.spec.seed, 0, number, "emoji-pair")
        ws = random_codes(bundle, 1, rng, config.truncation_psi)
        yaw, pitch = (torch.rand(2, 1, generator=rng) * 2 - 1).unbind()
        camera = look_at_camera(yaw * config.yaw_rad, pitch * config.pitch_rad, bundle.orbit)
        return ws, camera.to(ws.device)
