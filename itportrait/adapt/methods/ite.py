"""Stage 2 of ITportrait, 3D image-text embedding: directional CLIP loss in several views."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from itportrait.adapt.config import AdaptConfig
from itportrait.adapt.sampling import (
    final_image,
    random_boxes,
    with_crops,
)
from itportrait.adapt.scenes import Scene, SceneSource, render_views
from itportrait.adapt.threshold import Threshold
from itportrait.bundle import Bundle
from itportrait.generator import Rendering, TriPlaneGenerator
from itportrait.losses import (
    DirectionalLoss,
    IdentityLoss,
    depth_distance,
    structure_loss,
    unit,
)

Features = list[Tensor]


@dataclass(frozen=True)
class _Guidance:
    """Where a step's change should point: `[D]` or `[N, D]` a model, and numbers for the log."""

    directions: Features
    log: dict[str, float]


class ImageTextEmbedding:
    """The loss of a stage-2 step.

    Args:
        bundle: base generator and guiding models.
        config: resolved configuration.
        directions: where the change should point, unit `[D]` a model: the words'.
        scenes: where codes, cameras and frozen renders come from.
        threshold: the balance with the image-adapted copy; its state is the run's.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: AdaptConfig,
        directions: Features,
        scenes: SceneSource,
        threshold: Threshold | None = None,
    ) -> None:
        self.config, self.directions = config, directions
        self.scenes, self.threshold = scenes, threshold
        self.clip = DirectionalLoss(bundle.clips, config.ite.clip_weights)
        self.identity = IdentityLoss(bundle.identity) if config.ite.identity else None

    def loss(
        self, student: TriPlaneGenerator, image_student: TriPlaneGenerator | None, rng: Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one step and its parts.

        Args:
            student: the text-adapted copy, trained.
            image_student: the image-adapted copy; None where the directions alone guide.
            rng: of this step.
        """
        ite = self.config.ite
        skips_image = self.threshold is not None and self.threshold.skips_image(rng)
        scene = self.scenes.draw(rng)
        boxes = random_boxes(ite.crops, ite.crop_scale, rng)
        trained = self._render(student, scene)
        with torch.no_grad():
            before = self._encode(scene.image, boxes)
            guidance = self._guidance(image_student, scene, boxes, before, skips_image)
        after = self._encode(final_image(trained), boxes)
        clip = self.clip(after, before, guidance.directions).mean()
        parts = {"clip": ite.direction * clip, **self._keep_person(trained, scene)}
        total = torch.stack(list(parts.values())).sum()
        log = {f"ite_{name}": float(value.detach()) for name, value in parts.items()}
        return total, log | guidance.log

    def _render(self, generator: TriPlaneGenerator, scene: Scene) -> Rendering:
        resolution = self.config.neural_rendering_resolution
        return render_views(generator, scene.ws, scene.cameras, resolution)

    def _encode(self, image: Tensor, boxes: list[tuple[float, float, float]]) -> Features:
        """Encode the pictures and their crops, `[N * (1 + crops), D]` a model."""
        parts = [self.clip.encode(picture) for picture in with_crops(image, boxes)]
        return [torch.cat(features) for features in zip(*parts, strict=True)]

    def _guidance(
        self,
        image_student: TriPlaneGenerator | None,
        scene: Scene,
        boxes: list[tuple[float, float, float]],
        before: Features,
        skips_image: bool,
    ) -> _Guidance:
        """Balance the text's direction and that of the image-adapted copy."""
        if image_student is None or self.threshold is None:
            return _Guidance(self.directions, {})
        if skips_image:
            return _Guidance(self.directions, {"ite_text_weight": 1.0})
        styled = self._encode(final_image(self._render(image_student, scene)), boxes)
        changes = [new - old for new, old in zip(styled, before, strict=True)]
        whole = len(scene.image)  # rows of whole pictures come first; crops do not count
        distance = float(changes[0][:whole].norm(dim=1).mean())
        text, image = self.threshold.weights(distance)
        directions = [
            text * words + image * unit(change)
            for words, change in zip(self.directions, changes, strict=True)
        ]
        return _Guidance(directions, {"ite_text_weight": text, "ite_image_distance": distance})

    def _keep_person(self, trained: Rendering, frozen: Scene) -> dict[str, Tensor]:
        ite, parts = self.config.ite, {}
        if self.identity is not None:
            target = self.identity.embed(frozen.image)
            parts["identity"] = ite.identity * self.identity(final_image(trained), target).mean()
        if ite.depth:
            distance = depth_distance(trained.image_depth, frozen.depth, frozen.alpha)
            parts["depth"] = ite.depth * distance.mean()
        if ite.structure:
            parts["structure"] = (
                ite.structure * structure_loss(final_image(trained), frozen.image).mean()
            )
        return parts
