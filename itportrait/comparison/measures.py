"""Measure portraits in a style: each by itself, and all of a cell together."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from itportrait import metrics
from itportrait.bundle import Bundle
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.portraits import Portrait
from itportrait.evaluate.kid import kid
from itportrait.generator import Rendering
from itportrait.geometry.camera import look_at_camera
from itportrait.image import resize, to_tensor, to_uint8
from itportrait.metrics import StyleTarget
from itportrait.records import RecordError, Status
from itportrait.styles import BoundStyle, Codes, PreparedGenerator, PreparedStyle
from itportrait.stylize.stylizer import NonFiniteRenderError

STAGE = "compare"
OWN, LEFT, FRONT, RIGHT = range(4)
"""Places of the views: the portrait's own one, and three around the front."""


@dataclass(frozen=True)
class Views:
    """Renders of portraits: their own view whole, and pictures of all views.

    Args:
        own: from the portraits' cameras.
        pictures: `[N, V, 3, S, S]` in [-1, 1].
        seconds: of binding and of the own view, for each portrait.
    """

    own: Rendering
    pictures: Tensor
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A portrait in a style.

    Args:
        portrait: its name.
        record_id: of its rows.
        status: failed where it could not be rendered.
        error: why.
        values: metrics by name.
        views: uint8 `[S, S, 3]` each, the own view first.
    """

    portrait: str
    record_id: str
    status: Status = Status.OK
    error: str | None = None
    values: dict[str, float] = field(default_factory=dict[str, float])
    views: tuple[np.ndarray, ...] = field(default=(), repr=False)


@torch.no_grad()
def render_views(
    style: PreparedStyle, codes: Codes, bundle: Bundle, config: MeasuresConfig
) -> Views:
    """Bind portraits once and render them from all views.

    Raises:
        NonFiniteRenderError: a picture has values that are not finite.
    """
    began = time.perf_counter()
    bound = style.bind(codes)
    own = bound.render(codes.cameras)
    seconds = (time.perf_counter() - began) / len(codes)
    sides = (-config.side_deg, 0.0, config.side_deg)
    pictures = [own.final_image, *(_seen_from(bound, bundle, yaw) for yaw in sides)]
    stacked = torch.stack(pictures, 1)
    if not bool(torch.isfinite(stacked).all()):
        raise NonFiniteRenderError("the style renders values not finite")
    return Views(own, stacked, seconds)


def _seen_from(bound: BoundStyle, bundle: Bundle, yaw_deg: float) -> Tensor:
    camera = look_at_camera(math.radians(yaw_deg), 0.0, bundle.orbit).to(bound.codes.ws)
    return bound.render(camera.expand(len(bound.codes), -1)).final_image


@dataclass(frozen=True)
class Judge:
    """What measures portraits in any style of a domain.

    Args:
        bundle: base generator and perception models.
        config: of the measures.
        target: prompt and references of the domain.
    """

    bundle: Bundle
    config: MeasuresConfig
    target: StyleTarget

    def base(self, portraits: Sequence[Portrait]) -> Views:
        """Return the portraits by the generator that was not adapted."""
        codes = Codes.of([portrait.inverted for portrait in portraits], self.bundle.generator)
        plain = PreparedGenerator(self.bundle.generator)
        return render_views(plain, codes, self.bundle, self.config)

    def measure(
        self,
        style: PreparedStyle,
        portraits: Sequence[Portrait],
        base: Views,
        truth: Tensor | None,
    ) -> list[Measured]:
        """Stylize portraits and measure each; where they fail together, each goes by itself.

        Args:
            style: prepared for the base generator.
            portraits: of one batch.
            base: from `base`, of the same portraits.
            truth: `[N, 3, S, S]` their true stylizations, or None.
        """
        try:
            return self._measured(style, portraits, base, truth)
        except Exception as error:
            if len(portraits) == 1:
                status, reason = RecordError.of(STAGE, error)
                portrait = portraits[0]
                text = f"{reason.type}: {reason.message}"
                return [Measured(portrait.name, portrait.record_id, status, text)]
        rows: list[Measured] = []
        for place, portrait in enumerate(portraits):
            alone = slice(place, place + 1)
            own = None if truth is None else truth[alone]
            rows += self.measure(style, [portrait], _part(base, alone), own)
        return rows

    @torch.no_grad()
    def _measured(
        self,
        style: PreparedStyle,
        portraits: Sequence[Portrait],
        base: Views,
        truth: Tensor | None,
    ) -> list[Measured]:
        codes = Codes.of([portrait.inverted for portrait in portraits], self.bundle.generator)
        styled = render_views(style, codes, self.bundle, self.config)
        values = self._values(styled, portraits, base, truth)
        pictures = [to_uint8(views) for views in styled.pictures]
        return [
            Measured(
                portrait.name,
                portrait.record_id,
                values={name: float(column[place]) for name, column in values.items()},
                views=tuple(pictures[place]),
            )
            for place, portrait in enumerate(portraits)
        ]

    def _values(
        self, styled: Views, portraits: Sequence[Portrait], base: Views, truth: Tensor | None
    ) -> dict[str, Tensor]:
        bundle, image, plain = self.bundle, styled.own.final_image, base.own.final_image
        around = styled.pictures[:, [FRONT, LEFT, RIGHT]]
        values = {
            "identity": metrics.identity(image, _photos(portraits, plain), bundle.identity),
            "view_consistency": metrics.view_consistency(around, bundle.identity),
            "depth_distance": metrics.depth_distance(
                styled.own.image_depth, base.own.image_depth, base.own.image_alpha
            ),
            "depth_variance": metrics.depth_variance_ratio(
                styled.own.image_depth,
                base.own.image_depth,
                styled.own.image_alpha,
                base.own.image_alpha,
            ),
            "portrait_seconds": torch.full((len(portraits),), styled.seconds),
        }
        if self.target.prompt is not None:
            words = {"prompt": self.target.prompt, "source_prompt": self.target.source_prompt}
            values["clip_direction"] = metrics.clip_direction(image, plain, bundle.clips, **words)
            values["clip_reach"] = metrics.clip_reach(image, plain, bundle.clips, **words)
        if self.target.references is not None:
            references = self.target.references.to(image.device)
            values["clip_image"] = metrics.clip_image(image, references, bundle.clips)
            gain = values["clip_image"] - metrics.clip_image(plain, references, bundle.clips)
            values["clip_image_gain"] = gain
        if truth is not None:
            for name, picture in (("truth_distance", image), ("truth_distance_base", plain)):
                values[name] = bundle.perceptual.distance(picture, truth.to(picture.device))
        return values

    @torch.no_grad()
    def together(
        self, views: Sequence[Sequence[np.ndarray]], base: Sequence[Views], truth: Tensor | None
    ) -> dict[str, float]:
        """Return what the pictures of all portraits say together.

        Args:
            views: of each portrait.
            base: of the same portraits, in batches.
            truth: `[K, 3, S, S]` true pictures of the domain, or None.
        """
        device = self.bundle.generator.device
        pictures = torch.stack([torch.stack([to_tensor(view) for view in each]) for each in views])
        pictures = pictures.to(device)
        values: dict[str, float] = {}
        if len(pictures) > 1:
            values["diversity"] = metrics.diversity(pictures[:, FRONT], self.bundle.perceptual)
        if truth is not None:
            plain = torch.cat([part.pictures for part in base])
            real = self._features(truth.to(device))
            own, former = (
                self._kid(real, self._features(each.flatten(0, 1))) for each in (pictures, plain)
            )
            values |= {"kid": own, "kid_ratio": own / former if former > 0 else math.inf}
        return values

    def _features(self, pictures: Tensor) -> Tensor:
        parts = [self.bundle.perceptual.embed(part) for part in pictures.split(16)]
        return torch.cat(parts)

    def _kid(self, real: Tensor, fake: Tensor) -> float:
        config = self.config
        score = kid(
            real,
            fake,
            subsets=config.kid_subsets,
            subset_size=config.kid_subset_size,
            seed=config.seed,
        )
        return score.mean


def _part(views: Views, rows: slice) -> Views:
    whole = views.own
    own = Rendering(
        image=whole.final_image[rows],
        image_raw=whole.image_raw[rows],
        image_depth=whole.image_depth[rows],
        image_alpha=whole.image_alpha[rows],
    )
    return Views(own, views.pictures[rows], views.seconds)


def _photos(portraits: Sequence[Portrait], plain: Tensor) -> Tensor:
    """Return the aligned photos `[N, 3, S, S]`; what their masks hide is taken from the renders."""
    photos: list[Tensor] = []
    for portrait, render in zip(portraits, plain, strict=True):
        record = portrait.aligned
        assert record.pixels is not None  # read with its pictures
        photo = resize(to_tensor(record.pixels)[None].to(render), render.shape[-1])[0]
        if record.mask is not None:
            mask = resize(torch.tensor(record.mask)[None, None].to(render) / 255, len(render[0]))[0]
            photo = render.lerp(photo, mask.clamp(0, 1).expand_as(photo))
        photos.append(photo)
    return torch.stack(photos)
