"""The stylize stage: codes rendered by adapted generators, as records with metrics."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from itportrait import metrics
from itportrait.errors import InvalidArgumentError, ItportraitError, UnknownNameError
from itportrait.generator import Generator
from itportrait.geometry.camera import look_at_camera
from itportrait.image import resize, to_tensor, to_uint8
from itportrait.metrics import StyleTarget
from itportrait.records import AlignedRecord, InvertedRecord, RecordError, Status, StylizedRecord
from itportrait.stylize.config import StylizeConfig
from itportrait.stylize.turntable import render_frames, turntable_cameras

log = logging.getLogger(__name__)
STAGE = "stylize"


class NonFiniteRenderError(ItportraitError):
    """The adapted generator gave a picture that is not finite."""


class Adapter(Protocol):
    """What the stage asks of a domain: a copy of the base generator, moved by `strength`."""

    def check_base(self, model_id: str) -> None: ...

    def apply(self, generator, strength: float = 1.0) -> Any: ...


class Stylizer:
    """Renders inverted portraits in style domains.

    Args:
        config: of the stage.
        bundle: base generator and perception models.
        adapters: by domain name.
        targets: by domain name, what CLIP metrics compare with; a domain without one has none.
        versions: by domain name, the version written to the records (default `local`).

    Raises:
        InvalidArgumentError: an adapter belongs to another base model.
    """

    def __init__(
        self,
        config: StylizeConfig,
        bundle,
        adapters: Mapping[str, Adapter],
        *,
        targets: Mapping[str, StyleTarget] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.config, self.bundle, self.adapters = config, bundle, dict(adapters)
        self.targets, self.versions = dict(targets or {}), dict(versions or {})
        for adapter in self.adapters.values():
            adapter.check_base(bundle.model_id)
        self.base = bundle.generator.eval().requires_grad_(False)
        self.device = self.base.w_avg.device
        self._adapted: dict[tuple[str, float], Generator] = {}

    def generator(self, domain: str, strength: float | None = None) -> Generator:
        """Return the generator of a domain; kept for the configured strength only.

        Raises:
            UnknownNameError: no such domain.
        """
        if domain not in self.adapters:
            raise UnknownNameError("domain", domain, list(self.adapters))
        strength = self.config.strength if strength is None else strength
        key = (domain, strength)
        if key in self._adapted:
            return self._adapted[key]
        adapted = self.adapters[domain].apply(self.base, strength).eval().requires_grad_(False)
        if strength == self.config.strength:
            self._adapted[key] = adapted
        return adapted

    def stylize(
        self, aligned: list[AlignedRecord], inverted: list[InvertedRecord], domain: str
    ) -> list[StylizedRecord]:
        """Render portraits in a domain, `config.batch_size` at a time.

        Args:
            aligned: of the same portraits, in the same order: their pixels are what identity is
                measured against.
            inverted: with codes. One that is not `ok` is passed on with its status and error.
            domain: name of an adapter.

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
        adapted = self.generator(domain)
        rows: dict[int, StylizedRecord] = {}
        ready: list[tuple[int, AlignedRecord, InvertedRecord]] = []
        for position, (photo, record) in enumerate(zip(aligned, inverted, strict=True)):
            if record.status is Status.OK:
                ready.append((position, photo, record))
            else:
                rows[position] = self._row(record, domain, status=record.status, error=record.error)
        for start in range(0, len(ready), self.config.batch_size):
            part = ready[start : start + self.config.batch_size]
            made = self._batch([pair for _, *pair in part], domain, adapted)
            rows.update(zip((position for position, *_ in part), made, strict=True))
        return [rows[position] for position in range(len(inverted))]

    def turntable(
        self, record: InvertedRecord, domain: str | None, frames: int | None = None
    ) -> np.ndarray:
        """Render a portrait all around the front.

        Args:
            record: with a code.
            domain: name of an adapter; None renders the base generator.
            frames: number of frames; None takes the configuration's.

        Returns:
            `[T, S, S, 3]` uint8, a loop.
        """
        generator = self.base if domain is None else self.generator(domain)
        cameras = turntable_cameras(
            frames or self.config.turntable_frames,
            yaw_deg=self.config.turntable_yaw_deg,
            pitch_deg=self.config.turntable_pitch_deg,
        )
        return render_frames(generator, self.code(record)[None], cameras)

    @torch.no_grad()
    def interpolate(
        self, record: InvertedRecord, first: str | None, second: str, frames: int
    ) -> np.ndarray:
        """Render a portrait on the way from one domain to another, in its own view.

        Adapters are differences from one base, so that the way is straight: the base plus
        (1 - t) times the first plus t times the second.

        Args:
            record: with a code and a camera.
            first: where it starts; None is the base generator.
            second: where it ends.
            frames: number of frames, both ends included.

        Returns:
            `[frames, S, S, 3]` uint8.

        Raises:
            UnknownNameError: no such domain.
        """
        for name in (first, second):
            if name is not None and name not in self.adapters:
                raise UnknownNameError("domain", name, list(self.adapters))
        ws, camera = self.code(record)[None], self._camera(record)[None]
        pictures = []
        for t in torch.linspace(0, 1, frames).tolist():
            generator = self.base
            if first is not None:
                generator = self.adapters[first].apply(generator, (1 - t) * self.config.strength)
            generator = self.adapters[second].apply(generator, t * self.config.strength).eval()
            pictures.append(to_uint8(generator.synthesize(ws, camera).image)[0])
        return np.stack(pictures)

    @torch.no_grad()
    def depth_map(self, record: InvertedRecord, domain: str | None) -> np.ndarray:
        """Render how far the portrait's surface is along each ray of its own view.

        Args:
            record: with a code and a camera.
            domain: name of an adapter; None renders the base generator.

        Returns:
            `[R, R]` float32 in world units, R the neural rendering resolution; 0 where a ray meets
            nothing (it keeps more than half of its light).

        Raises:
            UnknownNameError: no such domain.
            NonFiniteRenderError: the generator gave a depth that is not finite.
        """
        generator = self.base if domain is None else self.generator(domain)
        ws, camera = self.code(record)[None], self._camera(record)[None]
        rendering = generator.synthesize(ws, camera, super_resolve=False)
        depth = rendering.image_depth.masked_fill(rendering.image_alpha < 0.5, 0)[0, 0].float()
        if not bool(torch.isfinite(depth).all()):
            raise NonFiniteRenderError(f"domain {domain!r} renders depths not finite")
        return depth.cpu().numpy()

    def code(self, record: InvertedRecord) -> Tensor:
        """Return a record's code, `[num_ws, w_dim]`, on the generator's device.

        Raises:
            InvalidArgumentError: it has none, or one of another generator.
        """
        if record.w_plus is None or record.w_plus.size != self.base.num_ws * self.base.w_dim:
            raise InvalidArgumentError(
                "w_plus",
                expected=f"{self.base.num_ws} x {self.base.w_dim} values",
                actual="none" if record.w_plus is None else record.w_plus.size,
                remedy="invert with the same bundle",
            )
        code = torch.as_tensor(record.w_plus, dtype=torch.float32, device=self.device)
        return code.view(self.base.num_ws, self.base.w_dim)

    def _batch(self, pairs, domain: str, adapted) -> list[StylizedRecord]:
        """Render a batch; where it fails as a whole, halve it until the culprit stands alone."""
        try:
            return self._render(pairs, domain, adapted)
        except Exception as error:
            if len(pairs) == 1:
                status, reason = RecordError.of(STAGE, error)
                return [self._row(pairs[0][1], domain, status=status, error=reason)]
            log.warning("stylization of %d portraits failed (%s); halving", len(pairs), error)
        half = len(pairs) // 2
        return [
            *self._batch(pairs[:half], domain, adapted),
            *self._batch(pairs[half:], domain, adapted),
        ]

    @torch.no_grad()
    def _render(self, pairs, domain: str, adapted) -> list[StylizedRecord]:
        began = time.perf_counter()
        ws = torch.stack([self.code(record) for _, record in pairs])
        own = torch.stack([self._camera(record) for _, record in pairs])
        planes = adapted.planes(ws)
        renders = [adapted.render(planes, ws, own)]
        for yaw_deg, pitch_deg in self.config.views_deg:
            camera = look_at_camera(math.radians(yaw_deg), math.radians(pitch_deg)).to(ws)
            renders.append(adapted.render(planes, ws, camera.expand(len(ws), -1)))
        finite = torch.stack([torch.isfinite(r.image).flatten(1).all(1) for r in renders]).all(0)
        scores = self._scores(pairs, ws, own, renders[0], domain) if self.config.metrics else {}
        pictures = [to_uint8(torch.nan_to_num(r.image)) for r in renders]
        seconds = (time.perf_counter() - began) / len(pairs)
        rows = []
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
                    pixels=tuple(picture[position] for picture in pictures),
                    **{name: float(values[position]) for name, values in scores.items()},
                )
            )
        return rows

    def _scores(self, pairs, ws: Tensor, own: Tensor, styled, domain: str) -> dict[str, Tensor]:
        """Return the metrics of the input's own view, each `[N]`."""
        plain = self.base.synthesize(ws, own)
        photos = torch.stack([self._photo(record, plain) for record, _ in pairs])
        scores = {
            "identity": metrics.identity(styled.image, photos, self.bundle.identity),
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
                styled.image,
                plain.image,
                self.bundle.clips,
                prompt=target.prompt,
                source_prompt=target.source_prompt,
            )
        if target.references is not None:
            scores["clip_image"] = metrics.clip_image(
                styled.image, target.references.to(self.device), self.bundle.clips
            )
        return scores

    def _photo(self, record: AlignedRecord, plain) -> Tensor:
        """Return the aligned photo `[3, S, S]`."""
        if record.pixels is None:
            raise InvalidArgumentError(
                "aligned", expected="records with pixels", actual=f"none in {record.record_id}"
            )
        return resize(to_tensor(record.pixels)[None].to(self.device), plain.image.shape[-1])[0]

    def _camera(self, record: InvertedRecord) -> Tensor:
        if record.camera is None:
            raise InvalidArgumentError("camera", expected="[25]", actual="none")
        return torch.as_tensor(record.camera, dtype=torch.float32, device=self.device)

    def _row(self, record: InvertedRecord, domain: str, **values) -> StylizedRecord:
        version = self.versions.get(domain, "local")
        return StylizedRecord(record_id=record.record_id, domain=domain, version=version, **values)
