"""The stylize stage: codes rendered in styles, as records with metrics."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from itportrait import metrics
from itportrait.bundle import Bundle
from itportrait.errors import InvalidArgumentError, ItportraitError, UnknownNameError
from itportrait.generator import Rendering
from itportrait.geometry.camera import camera_angles, look_at_camera, unpack_camera
from itportrait.image import to_uint8
from itportrait.metrics import StyleTarget
from itportrait.records import AlignedRecord, InvertedRecord, RecordError, Status, StylizedRecord
from itportrait.stages.within import tell_items
from itportrait.styles import (
    BoundStyle,
    Codes,
    PreparedGenerator,
    PreparedStyle,
    Style,
    prepare_blend,
)
from itportrait.stylize.config import StylizeConfig
from itportrait.stylize.photos import masked_photos
from itportrait.stylize.turntable import render_frames, turntable_cameras

log = logging.getLogger(__name__)
STAGE = "stylize"

Pair = tuple[AlignedRecord, InvertedRecord]
"""A portrait's rows of the two stages before: its photo and its code."""

_BACK_OF_HEAD, _WALL = 0.25, 0.4
"""World units further from the camera than the origin, in the world of FFHQ's generators: up to the
first a surface belongs to the head, and from the second on to what is behind it."""


class NonFiniteRenderError(ItportraitError):
    """A style gave a picture that is not finite."""


class Stylizer:
    """Renders inverted portraits in style domains.

    Args:
        config: of the stage.
        bundle: base generator and perception models.
        styles: by domain name.
        targets: by domain name, what CLIP metrics compare with; a domain without one has none.
        versions: by domain name, the version written to the records (default `local`).

    Raises:
        InvalidArgumentError: a style belongs to another base model.
    """

    def __init__(
        self,
        config: StylizeConfig,
        bundle: Bundle,
        styles: Mapping[str, Style],
        *,
        targets: Mapping[str, StyleTarget] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.config, self.bundle = config, bundle
        self.targets, self.versions = dict(targets or {}), dict(versions or {})
        for style in styles.values():
            style.check_base(bundle.model_id)
        self.styles = {name: style.with_models(bundle) for name, style in styles.items()}
        self.generator = bundle.generator.eval().requires_grad_(False)
        self._base = PreparedGenerator(self.generator)
        self._prepared: dict[str, PreparedStyle] = {}

    def style(self, domain: str) -> Style:
        """Return the style of a domain.

        Raises:
            UnknownNameError: no such domain.
        """
        if domain not in self.styles:
            raise UnknownNameError("domain", domain, list(self.styles))
        return self.styles[domain]

    def prepared(self, domain: str | None) -> PreparedStyle:
        """Return the style of a domain at the configured strength; it is prepared once.

        Args:
            domain: name of a style; None is the base generator as it is.

        Raises:
            UnknownNameError: no such domain.
        """
        if domain is None:
            return self._base
        style = self.style(domain)
        if domain not in self._prepared:
            self._prepared[domain] = style.prepare(self.generator, self.config.strength)
        return self._prepared[domain]

    def bind(
        self, record: InvertedRecord, domain: str | None, *, fitted: bytes | None = None
    ) -> BoundStyle:
        """Return one portrait in a domain, to be rendered from any camera.

        Args:
            record: with a code and a camera.
            domain: name of a style; None is the base generator as it is.
            fitted: what the domain's style has fitted to the portrait (`StylizedRecord.fitted`);
                None: it is fitted here, if the style fits anything.

        Raises:
            UnknownNameError: no such domain.
            InvalidArgumentError: the record has no code, or one of another generator.
        """
        with torch.no_grad():
            codes = Codes.of([record], self.generator)
            return self.prepared(domain).bind(codes, fitted=None if fitted is None else [fitted])

    def stylize(
        self, aligned: list[AlignedRecord], inverted: list[InvertedRecord], domain: str
    ) -> list[StylizedRecord]:
        """Render portraits in a domain, `config.batch_size` at a time.

        Args:
            aligned: of the same portraits, in the same order: their pixels are what identity is
                measured against.
            inverted: with codes. One that is not `ok` is passed on with its status and error.
            domain: name of a style.

        Returns:
            One record per input, in order; `pixels[0]` is the input's own view.

        Raises:
            UnknownNameError: no such domain.
            InvalidArgumentError: the two lists do not belong together.
        """
        ids = [record.record_id for record in inverted]
        if [record.record_id for record in aligned] != ids:
            raise InvalidArgumentError(
                "aligned",
                expected="the records of the same portraits, in the order of `inverted`",
                actual=f"{len(aligned)} aligned and {len(inverted)} inverted records",
            )
        prepared = self.prepared(domain)
        rows: dict[int, StylizedRecord] = {}
        ready: list[tuple[int, Pair]] = []
        for position, (photo, record) in enumerate(zip(aligned, inverted, strict=True)):
            if record.status is Status.OK:
                ready.append((position, (photo, record)))
            else:
                rows[position] = self._row(record, domain, status=record.status, error=record.error)
        for start in range(0, len(ready), self.config.batch_size):
            part = ready[start : start + self.config.batch_size]
            made = self._batch([pair for _, pair in part], domain, prepared)
            rows.update(zip((position for position, _ in part), made, strict=True))
            tell_items(len(rows))
        return [rows[position] for position in range(len(inverted))]

    def turntable(
        self,
        record: InvertedRecord,
        domain: str | None,
        frames: int | None = None,
        *,
        fitted: bytes | None = None,
    ) -> np.ndarray:
        """Render a portrait all around the front.

        Args:
            record: with a code and a camera.
            domain: name of a style; None renders the base generator.
            frames: number of frames; None takes the configuration's.
            fitted: see `bind`.

        Returns:
            `[T, S, S, 3]` uint8, a loop.
        """
        cameras = turntable_cameras(
            frames or self.config.turntable_frames,
            self.bundle.orbit,
            yaw_deg=self.config.turntable_yaw_deg,
            pitch_deg=self.config.turntable_pitch_deg,
        )
        return render_frames(self.bind(record, domain, fitted=fitted), cameras)

    def interpolate(
        self,
        record: InvertedRecord,
        first: str | None,
        second: str,
        frames: int,
        *,
        fitted: bytes | None = None,
    ) -> np.ndarray:
        """Render a portrait on the way from one domain to another; see `interpolate_all`.

        Returns:
            `[frames, S, S, 3]` uint8.
        """
        known = None if fitted is None else [fitted]
        return self.interpolate_all([record], first, second, frames, fitted=known)[0]

    @torch.no_grad()
    def interpolate_all(
        self,
        records: Sequence[InvertedRecord],
        first: str | None,
        second: str,
        frames: int,
        *,
        fitted: Sequence[bytes] | None = None,
    ) -> np.ndarray:
        """Render portraits on the way from one domain to another, each in its own view.

        The way is that of `prepare_blend`, which for styles of weights is straight: the base plus
        (1 - t) times the first plus t times the second.

        Args:
            records: N portraits with a code and a camera; they are rendered as one batch.
            first: where it starts; None is the base generator.
            second: where it ends.
            frames: number of frames, both ends included.
            fitted: what the second domain's style has fitted to each portrait; it serves where the
                first is the base generator.

        Returns:
            `[N, frames, S, S, 3]` uint8.

        Raises:
            UnknownNameError: no such domain.
            InvalidArgumentError: the two domains have styles of two kinds, or of a kind that cannot
                be blended.
        """
        ends = [self.style(name) for name in (first, second) if name is not None]
        codes = Codes.of(records, self.generator)
        known = None if first is not None else fitted
        pictures: list[np.ndarray] = []
        for t in map(float, torch.linspace(0, 1, frames)):
            shares = [t] if first is None else [1 - t, t]
            parts = [(style, share * self.config.strength) for style, share in zip(ends, shares)]
            bound = prepare_blend(self.generator, parts).bind(codes, fitted=known)
            if first is None:  # what one style has fitted to a portrait serves all its strengths
                known = bound.fitted
            pictures.append(to_uint8(bound.render(codes.cameras).final_image))
        return np.stack(pictures, axis=1)

    @torch.no_grad()
    def depth_map(
        self, record: InvertedRecord, domain: str | None, *, fitted: bytes | None = None
    ) -> np.ndarray:
        """Render how far the portrait's surface is along each ray of its own view.

        Args:
            record: with a code and a camera.
            domain: name of a style; None renders the base generator.
            fitted: see `bind`.

        Returns:
            `[R, R]` float32 in world units, R the neural rendering resolution; 0 where a ray meets
            nothing (it keeps more than half of its light).

        Raises:
            UnknownNameError: no such domain.
            NonFiniteRenderError: the style gave a depth that is not finite.
        """
        rendering, _ = self._own_view(record, domain, fitted)
        depth = rendering.image_depth.masked_fill(rendering.image_alpha < 0.5, 0)
        return _finite_map(depth, f"domain {domain!r} renders depths not finite")

    @torch.no_grad()
    def head_mask(
        self, record: InvertedRecord, domain: str | None, *, fitted: bytes | None = None
    ) -> np.ndarray:
        """Render where the portrait's own view shows the head, and not what is behind it.

        Args:
            record: with a code and a camera.
            domain: name of a style; None renders the base generator.
            fitted: see `bind`.

        Returns:
            `[R, R]` float32 in [0, 1]: the rendered alpha, less what lies far behind the origin,
            which is in the head, as walls of generators that render some do.

        Raises:
            UnknownNameError: no such domain.
            NonFiniteRenderError: the style gave a depth or an alpha that is not finite.
        """
        rendering, cameras = self._own_view(record, domain, fitted)
        # Cameras that are given with photos stand nearer or further away than the family's.
        position = unpack_camera(cameras)[0][:, :3, 3]
        distance = position.square().sum(1).sqrt().view(-1, 1, 1, 1)
        behind = (rendering.image_depth - distance) / self.bundle.orbit.head_scale
        near = ((_WALL - behind) / (_WALL - _BACK_OF_HEAD)).clamp(0, 1)
        mask = rendering.image_alpha * near
        return _finite_map(mask, f"domain {domain!r} renders a head that is not finite")

    def _own_view(
        self, record: InvertedRecord, domain: str | None, fitted: bytes | None
    ) -> tuple[Rendering, Tensor]:
        """Render a portrait from its own camera as the rays see it; return that camera too."""
        bound = self.bind(record, domain, fitted=fitted)
        cameras = bound.codes.cameras
        return bound.render(cameras, super_resolve=False), cameras

    def _batch(
        self, pairs: Sequence[Pair], domain: str, prepared: PreparedStyle
    ) -> list[StylizedRecord]:
        """Render a batch; where it fails as a whole, halve it until the culprit stands alone."""
        try:
            return self._render(pairs, domain, prepared)
        except Exception as error:
            if len(pairs) == 1:
                status, reason = RecordError.of(STAGE, error)
                return [self._row(pairs[0][1], domain, status=status, error=reason)]
            log.warning("stylization of %d portraits failed (%s); halving", len(pairs), error)
        half = len(pairs) // 2
        return [
            *self._batch(pairs[:half], domain, prepared),
            *self._batch(pairs[half:], domain, prepared),
        ]

    @torch.no_grad()
    def _render(
        self, pairs: Sequence[Pair], domain: str, prepared: PreparedStyle
    ) -> list[StylizedRecord]:
        began = time.perf_counter()
        codes = Codes.of([record for _, record in pairs], self.generator)
        bound = prepared.bind(codes)
        renders = [bound.render(codes.cameras)]
        for yaw_deg, pitch_deg in self.config.views_deg:
            yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
            camera = look_at_camera(yaw, pitch, self.bundle.orbit).to(codes.ws)
            renders.append(bound.render(camera.expand(len(codes), -1)))
        images = [rendering.final_image for rendering in renders]
        finite = torch.stack([torch.isfinite(image).flatten(1).all(1) for image in images]).all(0)
        scores = self._scores(pairs, codes, renders[0], domain) if self.config.metrics else {}
        sides = self._view_angles(codes.cameras)
        pictures = [to_uint8(torch.nan_to_num(image)) for image in images]
        seconds = (time.perf_counter() - began) / len(pairs)
        rows: list[StylizedRecord] = []
        for position, (_, record) in enumerate(pairs):
            if not bool(finite[position]):
                status, reason = RecordError.of(
                    STAGE, NonFiniteRenderError(f"domain {domain!r} renders values not finite")
                )
                rows.append(self._row(record, domain, status=status, error=reason))
                continue
            rows.append(
                self._row(
                    record,
                    domain,
                    seconds=seconds,
                    views=len(renders),
                    yaw_deg=sides[position, :, 0],
                    pitch_deg=sides[position, :, 1],
                    pixels=tuple(picture[position] for picture in pictures),
                    fitted=bound.fitted[position] if bound.fitted else None,
                    **{name: float(values[position]) for name, values in scores.items()},
                )
            )
        return rows

    def _view_angles(self, cameras: Tensor) -> np.ndarray:
        """Return yaw and pitch of each portrait's views, `[N, views, 2]` float32 in degrees."""
        own = torch.stack(camera_angles(cameras.float()), dim=1).rad2deg()[:, None]
        others = torch.tensor(self.config.views_deg, dtype=torch.float32).view(1, -1, 2)
        return torch.cat([own.cpu(), others.expand(len(own), -1, -1)], dim=1).numpy()

    def _scores(
        self, pairs: Sequence[Pair], codes: Codes, styled: Rendering, domain: str
    ) -> dict[str, Tensor]:
        """Return the metrics of the input's own view, each `[N]`."""
        plain = self._base.render(codes)
        photos = masked_photos([record for record, _ in pairs], plain.final_image)
        scores = {
            "identity": metrics.identity(styled.final_image, photos, self.bundle.identity),
            "depth_distance": metrics.depth_distance(
                styled.image_depth, plain.image_depth, plain.image_alpha
            ),
            "depth_variance": metrics.depth_variance_ratio(
                styled.image_depth, plain.image_depth, styled.image_alpha, plain.image_alpha
            ),
        }
        target = self.targets.get(domain, StyleTarget())
        if target.prompt is not None:
            scores["clip_direction"] = metrics.clip_direction(
                styled.final_image,
                plain.final_image,
                self.bundle.clips,
                prompt=target.prompt,
                source_prompt=target.source_prompt,
            )
        if target.references is not None:
            scores["clip_image"] = metrics.clip_image(
                styled.final_image, target.references.to(codes.device), self.bundle.clips
            )
        return scores

    def _row(self, record: InvertedRecord, domain: str, **values: Any) -> StylizedRecord:
        version = self.versions.get(domain, "local")
        return StylizedRecord(record_id=record.record_id, domain=domain, version=version, **values)


def _finite_map(values: Tensor, fault: str) -> np.ndarray:
    """Return the map `[H, W]` of the only picture of `[1, 1, H, W]` as float32.

    Raises:
        NonFiniteRenderError: it holds what is no number; says the fault.
    """
    plain = values[0, 0].float()
    if not bool(torch.isfinite(plain).all()):
        raise NonFiniteRenderError(fault)
    return plain.cpu().numpy()
