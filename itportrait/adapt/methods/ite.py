"""Stage 2 of ITportrait, 3D image-text embedding: directional CLIP loss in several views."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from itportrait.adapt.config import AdaptConfig, DomainSpec
from itportrait.adapt.pair import Pair
from itportrait.adapt.sampling import (
    final_image,
    random_boxes,
    random_codes,
    random_views,
    with_crops,
)
from itportrait.adapt.threshold import Threshold
from itportrait.bundle import Bundle
from itportrait.generator import Rendering, TriPlaneGenerator
from itportrait.geometry.camera import frontal_camera
from itportrait.losses import (
    DirectionalLoss,
    IdentityLoss,
    depth_distance,
    structure_loss,
    text_direction,
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

    The words are encoded once, here; frozen renders are made once a step, and encoded once.

    Args:
        bundle: base generator and guiding models.
        spec: prompts of the domain.
        config: resolved configuration.
        pairs: of the style images; empty in mode `text`.
        threshold: the balance of image and text; its state is the run's.
    """

    def __init__(
        self,
        bundle: Bundle,
        spec: DomainSpec,
        config: AdaptConfig,
        pairs: list[Pair],
        threshold: Threshold,
    ) -> None:
        self.bundle, self.config, self.pairs, self.threshold = bundle, config, pairs, threshold
        self.clip = DirectionalLoss(bundle.clips, config.ite.clip_weights)
        prompt = str(spec.prompt)
        self.text = [text_direction(clip, prompt, spec.source_prompt) for clip in bundle.clips]
        self.identity = IdentityLoss(bundle.identity) if config.ite.identity else None

    def codes(self, rng: Generator) -> Tensor:
        """Return random codes, drawn towards a pair's where there is one, `[batch, rows, w]`."""
        ite = self.config.ite
        ws = random_codes(self.bundle.generator, ite.batch, rng, self.config.truncation_psi)
        if not self.pairs:
            return ws
        pair = self.pairs[int(torch.randint(len(self.pairs), (), generator=rng))].w_plus
        mixed = ite.pair_weight * pair + (1 - ite.pair_weight) * ws
        pinned = ite.pinned_rows
        return torch.cat([pair[:, :pinned].expand(len(ws), -1, -1), mixed[:, pinned:]], 1)

    def loss(
        self, student: TriPlaneGenerator, image_student: TriPlaneGenerator | None, rng: Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one step and its parts.

        Args:
            student: the text-adapted copy, trained.
            image_student: the image-adapted copy; None in mode `text`.
            rng: of this step.
        """
        ite = self.config.ite
        skips_image = self.threshold.skips_image(rng)
        ws = self.codes(rng)
        cameras = [camera.to(ws.device) for camera in random_views(ite.views, len(ws), rng)]
        boxes = random_boxes(ite.crops, ite.crop_scale, rng)
        trained = self._render(student, ws, cameras)
        with torch.no_grad():
            frozen = self._render(self.bundle.generator, ws, self._frozen_cameras(cameras))
            before = self._encode(final_image(frozen), boxes)
            guidance = self._guidance(image_student, ws, cameras, boxes, before, skips_image)
        after = self._encode(final_image(trained), boxes)
        clip = self.clip(after, before, guidance.directions).mean()
        parts = {"clip": clip, **self._keep_person(trained, frozen)}
        total = torch.stack(list(parts.values())).sum()
        log = {f"ite_{name}": float(value.detach()) for name, value in parts.items()}
        return total, log | guidance.log

    def _render(self, generator: TriPlaneGenerator, ws: Tensor, cameras: list[Tensor]) -> Rendering:
        """Render every code in every view, tri-planes made once; rows: views, then codes."""
        planes = generator.planes(ws)
        count = len(cameras)
        return generator.render(
            planes.repeat(count, 1, 1, 1, 1),
            ws.repeat(count, 1, 1),
            torch.cat(cameras),
            neural_rendering_resolution=self.config.neural_rendering_resolution,
        )

    def _frozen_cameras(self, cameras: list[Tensor]) -> list[Tensor]:
        if self.config.ite.frozen_camera == "matched":
            return cameras
        return [frontal_camera().to(camera).expand_as(camera) for camera in cameras]

    def _encode(self, image: Tensor, boxes: list[tuple[float, float, float]]) -> Features:
        """Encode the pictures and their crops, `[N * (1 + crops), D]` a model."""
        parts = [self.clip.encode(picture) for picture in with_crops(image, boxes)]
        return [torch.cat(features) for features in zip(*parts, strict=True)]

    def _guidance(
        self,
        image_student: TriPlaneGenerator | None,
        ws: Tensor,
        cameras: list[Tensor],
        boxes: list[tuple[float, float, float]],
        before: Features,
        skips_image: bool,
    ) -> _Guidance:
        """Balance the text's direction and that of the image-adapted copy."""
        if image_student is None or skips_image:
            return _Guidance(self.text, {} if image_student is None else {"ite_text_weight": 1.0})
        styled = self._encode(final_image(self._render(image_student, ws, cameras)), boxes)
        changes = [new - old for new, old in zip(styled, before, strict=True)]
        whole = len(ws) * len(cameras)  # rows of whole pictures come first; crops do not count
        distance = float(changes[0][:whole].norm(dim=1).mean())
        text, image = self.threshold.weights(distance)
        directions = [
            text * words + image * unit(change)
            for words, change in zip(self.text, changes, strict=True)
        ]
        return _Guidance(directions, {"ite_text_weight": text, "ite_image_distance": distance})

    def _keep_person(self, trained: Rendering, frozen: Rendering) -> dict[str, Tensor]:
        ite, parts = self.config.ite, {}
        if self.identity is not None:
            target = self.identity.embed(final_image(frozen))
            parts["identity"] = ite.identity * self.identity(final_image(trained), target).mean()
        if ite.depth:
            distance = depth_distance(trained.image_depth, frozen.image_depth, frozen.image_alpha)
            parts["depth"] = ite.depth * distance.mean()
        if ite.structure:
            parts["structure"] = (
                ite.structure * structure_loss(final_image(trained), final_image(frozen)).mean()
            )
        return parts
