"""The probe set: fixed codes and cameras on which every step and every domain is judged alike."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from itportrait import metrics
from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.references import Reference
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import MethodConfig
from itportrait.bundle import Bundle
from itportrait.generator import Rendering
from itportrait.geometry.camera import look_at_camera
from itportrait.image import resize, to_uint8
from itportrait.learning.seeds import step_rng
from itportrait.styles import Codes, PreparedStyle

_SIDE_YAW_RAD = 0.5236
"""+-30 degrees: the views of `view_consistency`."""
_LEAST_REACH = 0.05
"""Gain of `clip_image` below which differences between pictures are luck."""


class StepProbe:
    """Scores of a style against the base model on a fixed set; the base is rendered once.

    Args:
        bundle: the base and the models that judge.
        spec: prompt of the domain.
        config: settings of the method.
        references: style images of the domain, may be empty.
    """

    def __init__(
        self,
        bundle: Bundle,
        spec: DomainSpec,
        config: MethodConfig,
        references: Sequence[Reference],
    ) -> None:
        self.bundle, self.spec, self.config = bundle, spec, config
        base, probe = bundle.generator, config.probe
        device = base.device
        rng = step_rng(probe.seed, 0, 0, "probe")
        ws = random_codes(bundle, probe.count, rng, config.truncation_psi)
        yaws = [probe.yaws[index % len(probe.yaws)] for index in range(probe.count)]
        self.codes = Codes(ws, look_at_camera(torch.tensor(yaws), 0.0, bundle.orbit).to(device))
        with torch.no_grad():
            self.base = base.synthesize(ws, self.codes.cameras)
        side = base.image_resolution
        images = [resize(reference.image(device), side) for reference in references]
        self.references = torch.cat(images) if images else None
        self.base_image = self.base.final_image
        self.base_clip_image = self._clip_image(self.base_image)
        self.within_reach = self._within_reach()

    def _within_reach(self) -> float:
        """Return the gain of `clip_image` of which `style` is a share.

        For a whole set of pictures it is what lies between the base and the set's own pictures.

        Pictures of many people resemble each other little more than the base resembles them, and a
        gain as such would never pay for the identity that it costs. Of a few references, which the
        style is to resemble as they are, gains count as such.
        """
        if self.references is None or self.base_clip_image is None or not self.spec.pictures:
            return 1.0
        count = len(self.references)
        with torch.no_grad():
            own = metrics.clip_image(self.references, self.references, self.bundle.clips).mean()
        others = (count * float(own) - 1) / max(count - 1, 1)  # a picture is its own likeness
        return max(others - self.base_clip_image, _LEAST_REACH)

    def _clip_image(self, image: Tensor) -> float | None:
        if self.references is None:
            return None
        with torch.no_grad():
            scores = metrics.clip_image(image, self.references, self.bundle.clips)
        return float(scores.mean())

    @torch.no_grad()
    def score(self, style: PreparedStyle) -> tuple[dict[str, float], Tensor]:
        """Judge a style, laid over the base.

        Returns:
            The numbers (`clip_direction` and `clip_reach` with a prompt, `clip_image` and its gain
            with references, `identity`, `depth_distance`, `depth_variance` as a ratio, `diversity`,
            `style`), and the renders `[count, 3, S, S]`.
        """
        return self._judge(style.render(self.codes))

    def _judge(self, render: Rendering) -> tuple[dict[str, float], Tensor]:
        image = render.final_image
        base, bundle = self.base, self.bundle
        scores: dict[str, float] = {}
        styles: list[float] = []
        if self.spec.prompt:
            words = {"prompt": self.spec.prompt, "source_prompt": self.spec.source_prompt}
            pair = image, self.base_image, bundle.clips
            scores["clip_direction"] = float(metrics.clip_direction(*pair, **words).mean())
            scores["clip_reach"] = float(metrics.clip_reach(*pair, **words).mean())
            # Neither alone: a faint change can point right, and a strong one can miss.
            styles.append((scores["clip_direction"] + min(scores["clip_reach"], 1.0)) / 2)
        if self.base_clip_image is not None:
            similarity = self._clip_image(image)
            assert similarity is not None
            scores["clip_image"] = similarity
            scores["clip_image_gain"] = similarity - self.base_clip_image
            styles.append(scores["clip_image_gain"] / self.within_reach)
        scores["identity"] = float(metrics.identity(image, self.base_image, bundle.identity).mean())
        scores["depth_distance"] = float(
            metrics.depth_distance(render.image_depth, base.image_depth, base.image_alpha).mean()
        )
        ratio = metrics.depth_variance_ratio(
            render.image_depth, base.image_depth, render.image_alpha, base.image_alpha
        )
        scores["depth_variance"] = float(ratio.mean())
        scores["diversity"] = metrics.diversity(image, bundle.perceptual)
        scores["style"] = sum(styles) / len(styles)
        return scores, image

    @torch.no_grad()
    def final(self, style: PreparedStyle) -> tuple[dict[str, float], Tensor]:
        """Judge the chosen style: `score`, and `view_consistency` over 0 and +-30 degrees."""
        bound, count = style.bind(self.codes), len(self.codes)
        scores, image = self._judge(bound.render(self.codes.cameras))
        views: list[Tensor] = []
        for yaw in (0.0, -_SIDE_YAW_RAD, _SIDE_YAW_RAD):
            camera = look_at_camera(torch.full((count,), yaw), 0.0, self.bundle.orbit)
            views.append(bound.render(camera.to(self.codes.device)).final_image)
        consistency = metrics.view_consistency(torch.stack(views, 1), self.bundle.identity)
        return scores | {"view_consistency": float(consistency.mean())}, image

    def pictures(self, images: Tensor) -> list[np.ndarray]:
        """Return the renders that a report carries, uint8 `[S, S, 3]` each."""
        return list(to_uint8(images[: self.config.probe.images]))
