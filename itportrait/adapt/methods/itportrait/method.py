"""ITportrait: image-text coupled 3D portrait domain adaptation.

Paper: arXiv 2304.04364. Written from the paper and the observed behavior of its program; no code of
it is used. Differences, each an option: the frozen render's camera matches (`frozen_camera`), the
balance is the paper's threshold and not the program's constant half (`threshold.kind`), pairs are
built from the style image alone, everything is seeded, and the step is chosen (`selection`).

Modes: `image` trains G_img by stage 1 in every step; `text` trains G_txt by stage 2 along the
words; `image_text` alternates, even steps stage 1 on G_img, odd steps stage 2 on G_txt, which is
the result. With `lead`, stage 1 comes first, and G_txt goes on from what it has made.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import FinetuningMethod, StepLoss, Student
from itportrait.adapt.methods.itportrait.apt import PairedTransfer
from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.adapt.methods.itportrait.ite import ImageTextEmbedding
from itportrait.adapt.methods.itportrait.scenes import SceneSource
from itportrait.adapt.methods.itportrait.threshold import Threshold
from itportrait.adapt.pair import Pair, build_pairs
from itportrait.adapt.settings import MethodConfig
from itportrait.learning.seeds import step_rng
from itportrait.losses import text_change


class ItportraitMethod(FinetuningMethod[ItportraitConfig]):
    """The published method with its two stages."""

    Config: ClassVar[type[MethodConfig]] = ItportraitConfig

    def __init__(
        self,
        context: MethodContext[ItportraitConfig],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(context, state)
        spec, config, bundle = context.spec, context.config, context.bundle
        self.result = "text" if spec.uses_text else "image"
        self.led = round(config.lead * spec.steps) if spec.mode == "image_text" else 0
        self.pairs = self._built() if state is None else self._restored(state)
        stages = [self.stage(index) for index in range(spec.steps)]
        self.threshold = Threshold(config.threshold, steps=stages.count("text"))
        if state is not None:
            self.threshold.load_state_dict(state["threshold"])
        if spec.uses_images:
            scenes = SceneSource(bundle, config, [], spec.seed, context.workers.rank)
            self.apt = PairedTransfer(bundle, config, self.pairs, scenes)
        if spec.uses_text:
            words = [  # encoded here, once
                text_change(clip, str(spec.prompt), spec.source_prompt) for clip in bundle.clips
            ]
            scenes = SceneSource(bundle, config, self.pairs, spec.seed, context.workers.rank)
            self.ite = ImageTextEmbedding(
                bundle, config, words, scenes, self.threshold, context.workers
            )

    def make_students(self) -> dict[str, Student]:
        spec, config = self.context.spec, self.context.config
        students: dict[str, Student] = {}
        if spec.uses_images:
            apt = config.apt
            students["image"] = self.student(learning_rate=apt.learning_rate, betas=apt.betas)
        if spec.uses_text:
            ite = config.ite
            students["text"] = self.student(learning_rate=ite.learning_rate, betas=ite.betas)
        return students

    def _built(self) -> list[Pair]:
        context = self.context
        if not context.spec.uses_images:
            return []
        config, seed = context.config.pair, context.spec.seed
        return build_pairs(context.bundle, context.references, config, seed, context.workers)

    def _restored(self, state: Mapping[str, Any]) -> list[Pair]:
        device = self.context.bundle.generator.device
        return [Pair.from_state(pair, device) for pair in state["pairs"]]

    def stage(self, step: int) -> str:
        """Return which student a step trains: `image` (stage 1) or `text` (stage 2)."""
        if self.context.spec.mode != "image_text":
            return self.result
        if self.led:
            return "image" if step < self.led else "text"
        return "image" if step % 2 == 0 else "text"

    def step(self, index: int) -> dict[str, float]:
        log = super().step(index)
        if index < self.led:  # the result is what stage 1 has made so far, and is scored as such
            self.students["text"].follow(self.students["image"])
        return log

    def loss(self, index: int) -> StepLoss:
        context = self.context
        stage = self.stage(index)
        rng = step_rng(context.spec.seed, context.workers.rank, index, stage)
        generator = self.students[stage].generator
        if stage == "image":
            loss, log = self.apt.loss(generator, rng)
        else:
            image = self.students.get("image")
            loss, log = self.ite.loss(generator, image.generator if image else None, rng)
        return StepLoss(stage, loss, log)

    def notes(self) -> dict[str, Any]:
        """Return the quality of the pairs, one a reference."""
        return {"pairs": [pair.report.to_dict() for pair in self.pairs]}

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "pairs": [pair.state_dict() for pair in self.pairs],
            "threshold": self.threshold.state_dict(),
        }
