"""A method that the package does not have, and that fits nothing: it looks where words apply."""

from typing import ClassVar

import torch
from pydantic import Field

from itportrait.adapt.methods import METHODS, AdaptationMethod
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import MethodConfig
from itportrait.geometry.camera import frontal_camera
from itportrait.learning.seeds import step_rng
from tests.helpers.latent_style import LatentStyle


class LookingConfig(MethodConfig):
    accepts: ClassVar = frozenset({"text"})
    portraits: int = Field(default=8, ge=2)


@METHODS.register("tests-looking")
class LookingMethod(AdaptationMethod[LookingConfig]):
    Config = LookingConfig

    def __init__(self, context, state=None):
        super().__init__(context, state)
        self.base, self.spec = context.bundle.generator, context.spec
        code = self.base.w_avg.new_zeros(1, self.base.num_ws, self.base.w_dim)
        self.direction = code if state is None else state["direction"].to(code, copy=True)
        self.words = context.bundle.clips[0].encode_prompt(context.spec.prompt)

    @torch.no_grad()
    def step(self, index):
        ws = random_codes(
            self.context.bundle, self.context.config.portraits, step_rng(self.spec.seed, 0, index)
        )
        image = self.base.synthesize(ws, frontal_camera().expand(len(ws), -1)).final_image
        likeness = self.context.bundle.clips[0].encode_image(image) @ self.words
        self.direction += (ws[likeness.argmax()] - ws[likeness.argmin()]) / self.spec.steps
        return {"likeness": float(likeness.max())}

    def candidate(self):
        return self.styles(self.tensors(), {})["looked"].prepare(self.base)

    def tensors(self):
        return {"direction": self.direction}

    def styles(self, tensors, info):
        belongs_to = self.spec.name, self.context.bundle.model_id
        return {"looked": LatentStyle(*belongs_to, tensors["direction"], dict(info))}

    def state_dict(self):
        return {"direction": self.direction.clone()}
