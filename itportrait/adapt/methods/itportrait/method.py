"""ITportrait: image-text coupled 3D portrait domain adaptation.

Paper: arXiv 2304.04364. Written from the paper and the observed behavior of its program; no code of
it is used. Differences, each an option: the frozen render's camera matches (`frozen_camera`), the
balance is the paper's threshold and not the program's constant half (`threshold.kind`), pairs are
built from the style image alone, everything is seeded, and the step is chosen (`selection`).

Modes: `image` trains G_img by stage 1 in every step; `text` trains G_txt by stage 2 along the
words; `image_text` alternates, even steps stage 1 on G_img, odd steps stage 2 on G_txt, which is
the result.
"""

from typing import Any

from itportrait.adapt.config import AdaptConfig, DomainSpec
from itportrait.adapt.methods.base import (
    AdaptationMethod,
    MethodContext,
    StepLoss,
    Student,
)
from itportrait.adapt.methods.itportrait.apt import PairedTransfer
from itportrait.adapt.methods.itportrait.ite import ImageTextEmbedding
from itportrait.adapt.methods.itportrait.scenes import SceneSource
from itportrait.adapt.methods.itportrait.threshold import Threshold
from itportrait.adapt.pair import Pair, PairReport, build_pair, code_prior
from itportrait.adapt.sampling import device_of
from itportrait.learning.seeds import step_rng
from itportrait.losses import text_change

_OF_PAIRS = ("ite.pair_weight", "ite.pinned_rows", "ite.follow")
"""Settings of stage 2 that only a pair, or a copy trained on it, gives a meaning."""


class ItportraitMethod(AdaptationMethod):
    """The published method with its two stages."""

    def __init__(self, context: MethodContext, state: dict[str, Any] | None = None) -> None:
        self.context = context
        spec, config, bundle = context.spec, context.config, context.bundle
        self.pairs = self._restored(state) if state else self._built()
        self.threshold = Threshold(config.threshold)
        if state:
            self.threshold.load_state_dict(state["threshold"])
        self.students: dict[str, Student] = {}
        if spec.uses_images:
            self.students["image"] = self._student(config.apt.learning_rate, config.apt.betas)
            scenes = SceneSource(bundle, config, [], spec.seed, context.workers.rank)
            self.apt = PairedTransfer(bundle, config, self.pairs, scenes)
        if spec.uses_text:
            self.students["text"] = self._student(config.ite.learning_rate, config.ite.betas)
            words = [  # encoded here, once
                text_change(clip, str(spec.prompt), spec.source_prompt) for clip in bundle.clips
            ]
            scenes = SceneSource(bundle, config, self.pairs, spec.seed, context.workers.rank)
            self.ite = ImageTextEmbedding(
                bundle, config, words, scenes, self.threshold, context.workers
            )
        self.result = "text" if spec.uses_text else "image"

    @classmethod
    def unread(cls, spec: DomainSpec, config: AdaptConfig) -> tuple[str, ...]:
        """Return what the stages and pairs that a mode does without would have read."""
        if spec.mode == "text":
            return ("pair", "apt", "threshold", *_OF_PAIRS)
        if spec.mode == "image_text":
            return ()
        if not config.apt.direction:
            return ("ite", "threshold")
        # Stage 1 then takes a whole loss of stage 2, on random codes and with its own optimizer.
        return ("threshold", "ite.learning_rate", "ite.betas", *_OF_PAIRS)

    def _student(self, learning_rate: float, betas: tuple[float, float]) -> Student:
        context = self.context
        return Student(
            context.bundle.generator,
            context.spec.train,
            learning_rate=learning_rate,
            betas=betas,
            ema=context.config.ema,
        )

    def _built(self) -> list[Pair]:
        context = self.context
        if not context.spec.uses_images:
            return []
        prior = code_prior(context.bundle.generator, step_rng(context.spec.seed, 0, 0, "prior"))
        return [
            build_pair(context.bundle, reference, context.config.pair, prior)
            for reference in context.references
        ]

    def _restored(self, state: dict[str, Any]) -> list[Pair]:
        device = device_of(self.context.bundle.generator)
        return [Pair.from_state(pair, device) for pair in state["pairs"]]

    def stage(self, step: int) -> str:
        """Return which student a step trains: `image` (stage 1) or `text` (stage 2)."""
        if self.context.spec.mode == "image_text":
            return "image" if step % 2 == 0 else "text"
        return self.result

    def loss(self, step: int) -> StepLoss:
        context = self.context
        stage = self.stage(step)
        rng = step_rng(context.spec.seed, context.workers.rank, step, stage)
        generator = self.students[stage].generator
        if stage == "image":
            loss, log = self.apt.loss(generator, rng)
        else:
            image = self.students.get("image")
            loss, log = self.ite.loss(generator, image.generator if image else None, rng)
        return StepLoss(stage, loss, log)

    def pair_reports(self) -> list[PairReport]:
        return [pair.report for pair in self.pairs]

    def state_dict(self) -> dict[str, Any]:
        return {
            "pairs": [pair.state_dict() for pair in self.pairs],
            "threshold": self.threshold.state_dict(),
        }
