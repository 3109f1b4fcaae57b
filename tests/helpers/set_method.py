"""A method that is guided by a set of pictures alone: a copy takes their mean color."""

from typing import ClassVar

from itportrait.adapt.methods import METHODS, FinetuningMethod, StepLoss
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import FinetuningConfig
from itportrait.geometry.camera import frontal_camera
from itportrait.learning.seeds import step_rng


class SetConfig(FinetuningConfig):
    accepts: ClassVar = frozenset({"set"})
    modes: ClassVar = frozenset({"image"})


@METHODS.register("tests-set")
class SetMethod(FinetuningMethod[SetConfig]):
    Config = SetConfig
    result = "colored"

    def make_students(self):
        return {"colored": self.student(learning_rate=1e-3, betas=(0.0, 0.99))}

    def loss(self, index):
        seed, rank = self.context.spec.seed, self.context.workers.rank
        wanted = self.context.pictures.batch(index, 2, seed=seed, rank=rank).images
        ws = random_codes(self.context.bundle, 2, step_rng(seed, rank, index))
        image = self.students["colored"].generator.synthesize(ws, frontal_camera().expand(2, -1))
        difference = image.final_image.mean((0, 2, 3)) - wanted.mean((0, 2, 3))
        return StepLoss(
            "colored", difference.abs().sum(), {"color": float(difference.detach().abs().sum())}
        )
