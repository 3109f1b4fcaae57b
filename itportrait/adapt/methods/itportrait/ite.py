"""Stage 2 of ITportrait, 3D image-text embedding: directional CLIP loss in several views."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from itportrait.adapt.augment import Distortion, distorted
from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.adapt.methods.itportrait.scenes import Scene, SceneSource, render_views
from itportrait.adapt.methods.itportrait.threshold import Threshold
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.generator import Generator, Rendering
from itportrait.losses import (
    DirectionalLoss,
    IdentityLoss,
    PerceptualLoss,
    depth_distance,
    l2_loss,
    structure_loss,
    unit,
    weights_of_models,
)

Features = list[Tensor]


@dataclass(frozen=True)
class _Guidance:
    """What a step's change should be: `[D]` or `[N, D]` a model, and numbers for the log.

    The cosine looks at `directions` (mixed from unit vectors, as published), `wanted` has lengths.
    """

    directions: Features
    wanted: Features
    log: dict[str, float]
    styled: Tensor | None = None
    """`[N, 3, S, S]`: renders of the image-adapted copy, where the image has a say."""
    image_weight: float = 0.0


class ImageTextEmbedding:
    """The loss of a stage-2 step.

    Args:
        bundle: base generator and guiding models.
        config: resolved configuration.
        changes: what the change should be, `[D]` a model, with lengths: the words'.
        scenes: where codes, cameras and frozen renders come from.
        threshold: the balance with the image-adapted copy; its state is the run's.
        workers: decide alike about the balance of every step.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: ItportraitConfig,
        changes: Features,
        scenes: SceneSource,
        threshold: Threshold | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.config, self.changes, self.workers = config, changes, workers or Workers()
        self.scenes, self.threshold = scenes, threshold
        weights = weights_of_models(config.ite.clip_weights, bundle.clip_weights)
        self.clip = DirectionalLoss(bundle.clips, weights)
        self.perceptual = PerceptualLoss(bundle.perceptual, config.apt.size)
        self.identity = IdentityLoss(bundle.identity) if config.ite.identity else None

    def loss(
        self, student: Generator, image_student: Generator | None, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one step and its parts.

        Args:
            student: the text-adapted copy, trained.
            image_student: the image-adapted copy; None where the directions alone guide.
            rng: of this step.
        """
        ite = self.config.ite
        skips_image = self.threshold is not None and self.threshold.skips_image(rng)
        skips_image = self.workers.from_first(skips_image)
        scene = self.scenes.draw(rng)
        views = [
            Distortion.draw(len(scene.image), ite.augment_color, rng) for _ in range(ite.augment)
        ]
        trained = self._render(student, scene)
        with torch.no_grad():
            before = self._encode(scene.image, views)
            guidance = self._guidance(image_student, scene, views, before, skips_image)
        after = self._encode(trained.final_image, views)
        clip = self.clip(after, before, guidance.directions).mean()
        parts = {"clip": ite.direction * clip, **self._keep_person(trained, scene)}
        if ite.follow and guidance.styled is not None and guidance.image_weight:
            near = self._nearness(trained.final_image, guidance.styled)
            parts["follow"] = ite.follow * guidance.image_weight * near
        if ite.reach:
            parts["reach"] = ite.reach * self.clip.reach(after, before, guidance.wanted).mean()
        total = torch.stack(list(parts.values())).sum()
        log = {f"ite_{name}": float(value.detach()) for name, value in parts.items()}
        return total, log | guidance.log

    def _render(self, generator: Generator, scene: Scene) -> Rendering:
        resolution = self.config.neural_rendering_resolution
        return render_views(generator, scene.ws, scene.cameras, resolution)

    def _encode(self, image: Tensor, views: list[Distortion]) -> Features:
        """Encode the pictures and their distorted copies, `[N * (1 + augment), D]` a model."""
        parts = [self.clip.encode(picture) for picture in distorted(image, views)]
        return [torch.cat(features) for features in zip(*parts, strict=True)]

    def _guidance(
        self,
        image_student: Generator | None,
        scene: Scene,
        views: list[Distortion],
        before: Features,
        skips_image: bool,
    ) -> _Guidance:
        """Balance the text's direction and that of the image-adapted copy."""
        if image_student is None or self.threshold is None:
            return _Guidance(self.changes, self.changes, {})
        if skips_image:
            return _Guidance(self.changes, self.changes, {"ite_text_weight": 1.0})
        styled = self._render(image_student, scene).final_image
        changes = [new - old for new, old in zip(self._encode(styled, views), before, strict=True)]
        whole = len(scene.image)  # rows of plain pictures come first; copies do not count
        # PyTorch leaves the arguments of `norm` without types.
        norm = changes[0][:whole].norm(dim=1)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        lengths = cast(Tensor, norm)
        distance = self.workers.average(float(lengths.mean()))
        text, image = self.threshold.weights(distance)
        pairs = list(zip(self.changes, changes, strict=True))
        return _Guidance(
            [text * unit(words) + image * unit(change) for words, change in pairs],
            [text * words + image * change for words, change in pairs],
            {"ite_text_weight": text, "ite_image_distance": distance},
            styled,
            image,
        )

    def _nearness(self, trained: Tensor, styled: Tensor) -> Tensor:
        """Return perceptual and squared distance to the image-adapted renders of the scene."""
        return self.perceptual(trained, styled).mean() + l2_loss(trained, styled).mean()

    def _keep_person(self, trained: Rendering, frozen: Scene) -> dict[str, Tensor]:
        ite = self.config.ite
        parts: dict[str, Tensor] = {}
        if self.identity is not None:
            target = self.identity.embed(frozen.image)
            parts["identity"] = ite.identity * self.identity(trained.final_image, target).mean()
        if ite.depth:
            distance = depth_distance(trained.image_depth, frozen.depth, frozen.alpha)
            parts["depth"] = ite.depth * distance.mean()
        if ite.structure:
            parts["structure"] = (
                ite.structure * structure_loss(trained.final_image, frozen.image).mean()
            )
        return parts
