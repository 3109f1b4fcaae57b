"""Your3dEmoji: a stylized 3D portrait model from one picture, by paired pictures there and back.

Paper: "Your3dEmoji: Creating Personalized Emojis via One-shot 3D-aware Cartoon Avatar Synthesis",
SIGGRAPH Asia 2022 Technical Communications. No code of it is public, and of its text we had the
abstract alone: paired pictures by the style mixing of StyleGAN, a 3D GAN that is fine-tuned on
them by dual learning, and a degree of style. All else is our reading:
- A copy of the generator is adapted by JoJoGAN's recipe and frozen. It draws the stylized picture
  of a pair from the portrait's code with the style picture's rows; the base draws the photo.
- There: a second copy learns to draw the stylized picture from the portrait's own code.
- Back: an encoder learns the code of the photo from the stylized picture (`back.py`).
- Cycle: what the second copy draws, taken back and drawn again, is the same.
- The degree of style is the strength with which the result is applied.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import FinetuningMethod, StepLoss, Student, training_render
from itportrait.adapt.settings import MethodConfig
from itportrait.compared.your3demoji.back import BackNetwork
from itportrait.compared.your3demoji.config import Your3dEmojiConfig
from itportrait.compared.your3demoji.pairs import PairSource, Teacher
from itportrait.generator import Generator
from itportrait.learning.seeds import step_rng
from itportrait.losses import PerceptualLoss, l1_loss

_THERE = "there"


class Your3dEmojiMethod(FinetuningMethod[Your3dEmojiConfig]):
    """A copy that stylizes and an encoder that takes back, trained together on pairs."""

    Config: ClassVar[type[MethodConfig]] = Your3dEmojiConfig
    result = _THERE

    def __init__(
        self, context: MethodContext[Your3dEmojiConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        bundle, config = context.bundle, context.config
        self.back = BackNetwork(
            bundle, context.spec.seed, learning_rate=config.back_learning_rate, betas=config.betas
        )
        if state is None:
            self.teacher = Teacher.train(context)
        else:
            self.teacher = Teacher.from_state(state["teacher"], bundle.generator.device)
            self.back.load_state_dict(state["back"])
        self.pairs = PairSource(context, self.teacher)
        self.perceptual = PerceptualLoss(bundle.perceptual, config.size)

    def make_students(self) -> dict[str, Student]:
        config = self.context.config
        return {_THERE: self.student(learning_rate=config.learning_rate, betas=config.betas)}

    def step(self, index: int) -> dict[str, float]:
        self.back.clear()
        log = super().step(index)  # its backward pass reaches the way back, too
        self.back.advance(self.context.workers)
        return log

    def loss(self, index: int) -> StepLoss:
        config, context = self.context.config, self.context
        rng = step_rng(context.spec.seed, context.workers.rank, index, "emoji")
        pair, there = self.pairs.draw(rng), self.students[_THERE].generator
        toon = self._image(there, pair.ws, pair.cameras)
        parts = {"there": self._distance(toon, pair.toon)}
        if config.back:
            photo = self._image(context.bundle.generator, self.back.codes(pair.toon), pair.cameras)
            parts["back"] = config.back * self._distance(photo, pair.photo)
        if config.cycle:
            again = self._image(there, self.back.codes(toon), pair.cameras)
            parts["cycle"] = config.cycle * l1_loss(again, toon.detach()).mean()
        total = torch.stack(list(parts.values())).sum()
        log = {f"emoji_{name}": float(value.detach()) for name, value in parts.items()}
        return StepLoss(_THERE, total, log)

    def _image(self, generator: Generator, ws: Tensor, cameras: Tensor) -> Tensor:
        return training_render(self.context.config, generator, ws, cameras).final_image

    def _distance(self, image: Tensor, wanted: Tensor) -> Tensor:
        config = self.context.config
        near = config.perceptual * self.perceptual(image, wanted).mean()
        return near + config.l1 * l1_loss(image, wanted).mean()

    def notes(self) -> dict[str, Any]:
        """Return the quality of the style picture's twin."""
        return {"pairs": [self.teacher.report]}

    def state_dict(self) -> dict[str, Any]:
        own = {"teacher": self.teacher.state_dict(), "back": self.back.state_dict()}
        return {**super().state_dict(), **own}
