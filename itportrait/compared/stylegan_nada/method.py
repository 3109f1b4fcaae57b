"""StyleGAN-NADA: domain adaptation of a generator that words or pictures guide through CLIP.

Paper: Gal et al., SIGGRAPH 2022 (arXiv 2108.00946). Official code, of which none is used:
github.com/rinongal/StyleGAN-nada (MIT). As published are the directional loss alone, Adam's
figures, layers that every step chooses anew, the direction towards pictures, and that neither
to-RGB layers nor the constant are trained.

Our reading, since the method has no published form for generators of tri-planes:
- Row r of the code stands for the convolution that reads it first (`Generator.row_layers`). The
  last row stands for super-resolution, and for the background network where there is one.
- Cameras come from the base model's training distribution, the same for both renders. With
  `views: frontal` it is Next3D's stylization (Sun et al., CVPR 2023): frontal supervision alone.
- A change shorter than 0.05 is not stretched to length one: in the first step both renders are
  equal, so there is no direction (the official code adds 1e-6 to the picture there).
- Words are averaged over the image-text model's own templates, in the choice of layers too, and
  both means are scaled to length one before the difference is taken.
- With pictures, rows are chosen by the similarity to them.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import StepLoss, Student, training_render
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import FinetuningConfig, MethodConfig
from itportrait.compared.guided import ADAPTED, Guide, GuidedMethod
from itportrait.compared.stylegan_nada.config import NadaTerms, StyleganNadaConfig
from itportrait.compared.stylegan_nada.rows import adaptive_rows, row_movements
from itportrait.generator import Generator
from itportrait.geometry.camera import frontal_camera
from itportrait.image import resize
from itportrait.learning.seeds import step_rng
from itportrait.losses import DirectionalLoss, text_change, unit, weights_of_models


class DirectionGuide(Guide[NadaTerms]):
    """The directional loss against the frozen render, on layers that each step chooses."""

    def __init__(
        self,
        context: MethodContext[FinetuningConfig],
        terms: NadaTerms,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(context, terms, state)
        bundle, spec = context.bundle, context.spec
        self.base = bundle.generator
        weights = weights_of_models(terms.clip_weights, bundle.clip_weights)
        self.clip = DirectionalLoss(bundle.clips, weights)
        self.rows = adaptive_rows(self.base, spec.train, terms.layer_rows)
        self.goals: list[Tensor] = []  # what rows are chosen by, where there is a choice
        with torch.no_grad():
            if spec.uses_text:
                words = str(spec.prompt)
                self.directions = [
                    text_change(clip, words, spec.source_prompt) for clip in bundle.clips
                ]
                if self.rows.chooses:
                    self.goals = [clip.encode_prompt(words) for clip in bundle.clips]
            else:
                styled = self._pictures_features()
                self.directions = self._towards(styled)
                if self.rows.chooses:
                    self.goals = [unit(mean) for mean in styled]

    def _pictures_features(self) -> list[Tensor]:
        """Return the style pictures' mean feature, one a model."""
        side = self.base.image_resolution
        pictures = [
            resize(reference.image(self.base.device), side) for reference in self.context.references
        ]
        return [features.mean(0) for features in self.clip.encode(torch.cat(pictures))]

    def _towards(self, styled: list[Tensor]) -> list[Tensor]:
        """Return the way to the pictures' mean features from those of random portraits."""
        rng = step_rng(self.context.spec.seed, 0, 0, "direction")
        ws, cameras = self._scene(self.terms.direction_samples, rng)
        portraits = self._image(self.base, ws, cameras)
        plain = [features.mean(0) for features in self.clip.encode(portraits)]
        return [a - b for a, b in zip(styled, plain, strict=True)]

    def pull(self, student: Student, index: int) -> StepLoss:
        rng = step_rng(self.context.spec.seed, self.context.workers.rank, index, "nada")
        rows = self._chosen_rows(student.generator, index)
        ws, cameras = self._scene(self.terms.batch, rng)
        with torch.no_grad():
            before = self.clip.encode(self._image(self.base, ws, cameras))
        after = self.clip.encode(self._image(student.generator, ws, cameras))
        loss = self.clip(after, before, self.directions).mean()
        log = {"nada_clip": float(loss.detach())}
        return StepLoss(ADAPTED, loss, log, self.rows.parameters(rows))

    def _chosen_rows(self, student: Generator, index: int) -> list[int]:
        """Return the rows whose layers a step trains; all workers choose the same ones."""
        if not self.rows.chooses:
            return list(self.rows.names)
        terms, workers = self.terms, self.context.workers
        rng = step_rng(self.context.spec.seed, workers.rank, index, "nada-rows")
        ws, cameras = self._scene(terms.choice_codes, rng)

        def distance(codes: Tensor) -> Tensor:
            features = self.clip.encode(self._image(student, codes, cameras))
            parts = zip(self.clip.weights, features, self.goals, strict=True)
            return torch.stack([weight * (1 - f @ goal).mean() for weight, f, goal in parts]).sum()

        moved = row_movements(
            ws, distance, steps=terms.choice_steps, learning_rate=terms.choice_learning_rate
        )
        return self.rows.choose([workers.average(float(value)) for value in moved])

    def _scene(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw codes and cameras."""
        bundle = self.context.bundle
        ws = random_codes(bundle, count, rng, self.context.config.truncation_psi)
        if self.terms.views == "frontal":
            return ws, frontal_camera(bundle.orbit, ws.device).expand(count, -1)
        return ws, bundle.camera_prior.sample(count, rng).to(ws.device)

    def _image(self, generator: Generator, ws: Tensor, cameras: Tensor) -> Tensor:
        return training_render(self.context.config, generator, ws, cameras).final_image


class StyleganNadaMethod(GuidedMethod[StyleganNadaConfig]):
    """The directional loss on one copy; only the layers of its rows are trained."""

    Config: ClassVar[type[MethodConfig]] = StyleganNadaConfig
    GUIDES: ClassVar = {"stylegan_nada": DirectionGuide}

    def among(self) -> Collection[str]:
        rows = adaptive_rows(self.context.bundle.generator, self.context.spec.train)
        return rows.parameters(list(rows.names))
