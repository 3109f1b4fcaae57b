"""Measure portraits in a style, each by itself."""

import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from itportrait.bundle import Bundle
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.portraits import Portrait
from itportrait.evaluate import PortraitViews, render_views, score_portraits
from itportrait.generator import Rendering
from itportrait.image import to_uint8
from itportrait.io.memory import is_memory_error
from itportrait.io.uris import passes
from itportrait.metrics import StyleTarget
from itportrait.records import RecordError, Status
from itportrait.styles import Codes, PreparedGenerator, PreparedStyle
from itportrait.stylize.photos import masked_photos
from itportrait.stylize.stylizer import NonFiniteRenderError

STAGE = "compare"


@dataclass(frozen=True)
class Fit:
    """What a style has fitted to a portrait, and the seconds that stylizing it took then."""

    data: bytes = field(repr=False)
    seconds: float


Fits = MutableMapping[str, Fit]
"""Fits by the portraits' record ids; what is known is not fitted again, what is new is added."""


@dataclass(frozen=True)
class Measured:
    """A portrait in a style.

    Args:
        portrait: its name.
        record_id: of its rows.
        status: failed where it could not be rendered.
        error: why.
        values: metrics by name.
        views: uint8 `[S, S, 3]` each: its own view, from the left, the front, and the right.
    """

    portrait: str
    record_id: str
    status: Status = Status.OK
    error: str | None = None
    values: dict[str, float] = field(default_factory=dict[str, float])
    views: tuple[np.ndarray, ...] = field(default=(), repr=False)


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

    def base(self, portraits: Sequence[Portrait]) -> PortraitViews:
        """Return the portraits by the generator that was not adapted."""
        codes = Codes.of([portrait.inverted for portrait in portraits], self.bundle.generator)
        return self._render(PreparedGenerator(self.bundle.generator), codes)

    def measure(
        self,
        style: PreparedStyle,
        portraits: Sequence[Portrait],
        base: PortraitViews,
        truth: Tensor | None,
        fits: Fits,
    ) -> list[Measured]:
        """Stylize portraits and measure each; where they fail together, each goes by itself.

        Args:
            style: prepared for the base generator.
            portraits: of one batch.
            base: from `base`, of the same portraits.
            truth: `[N, 3, S, S]` their true stylizations, or None.
            fits: of the style.

        Raises:
            MemoryError: memory ran out for a single portrait; it is no fault of the portrait.
            OSError: storage failed in a way that may pass.
        """
        try:
            return self._measured(style, portraits, base, truth, fits)
        except MemoryError:
            raise  # the task is tried again with less beside it
        except Exception as error:
            if passes(error):
                raise
            if len(portraits) == 1:
                if is_memory_error(type(error).__name__, str(error)):
                    raise MemoryError(str(error)) from error
                status, reason = RecordError.of(STAGE, error)
                portrait = portraits[0]
                text = f"{reason.type}: {reason.message}"
                return [Measured(portrait.name, portrait.record_id, status, text)]
        rows: list[Measured] = []
        for place, portrait in enumerate(portraits):
            alone = slice(place, place + 1)
            own = None if truth is None else truth[alone]
            rows += self.measure(style, [portrait], part_of(base, alone), own, fits)
        return rows

    def _render(
        self, style: PreparedStyle, codes: Codes, fitted: Sequence[bytes] | None = None
    ) -> PortraitViews:
        return render_views(
            style,
            codes,
            self.bundle.orbit,
            side_deg=self.config.side_deg,
            batch_size=self.config.batch_size,
            fitted=fitted,
        )

    def _measured(
        self,
        style: PreparedStyle,
        portraits: Sequence[Portrait],
        base: PortraitViews,
        truth: Tensor | None,
        fits: Fits,
    ) -> list[Measured]:
        codes = Codes.of([portrait.inverted for portrait in portraits], self.bundle.generator)
        ids = [portrait.record_id for portrait in portraits]
        known = [fits[record_id] for record_id in ids if record_id in fits]
        reused = [fit.data for fit in known] if len(known) == len(ids) else None
        began = time.perf_counter()
        styled = self._render(style, codes, reused)
        spent = (time.perf_counter() - began) / len(ids)
        pictures = pictures_of(styled)
        if not bool(torch.isfinite(pictures).all()):
            raise NonFiniteRenderError("the style renders values not finite")
        if reused is None:
            for record_id, data in zip(ids, styled.fitted or ()):
                fits[record_id] = Fit(data, spent)
        aligned = [portrait.aligned for portrait in portraits]
        photos = masked_photos(aligned, base.own.final_image)
        scores = score_portraits(self.bundle, styled, base, self.target, photos=photos, truth=truth)
        return [
            Measured(
                portrait.name,
                portrait.record_id,
                values={
                    **{name: float(column[place]) for name, column in scores.values.items()},
                    "portrait_seconds": spent if reused is None else known[place].seconds,
                },
                views=tuple(to_uint8(pictures[place])),
            )
            for place, portrait in enumerate(portraits)
        ]


def pictures_of(views: PortraitViews) -> Tensor:
    """Return all views `[N, 4, 3, S, S]`: the portraits' own, then left, front and right."""
    front, left, right = views.around.unbind(1)
    return torch.stack([views.own.final_image, left, front, right], 1)


def part_of(views: PortraitViews, rows: slice) -> PortraitViews:
    """Return the views of some of the portraits."""
    whole = views.own
    own = Rendering(
        image=whole.final_image[rows],
        image_raw=whole.image_raw[rows],
        image_depth=whole.image_depth[rows],
        image_alpha=whole.image_alpha[rows],
    )
    return PortraitViews(own, views.around[rows])
