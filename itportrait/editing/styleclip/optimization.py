"""Form `optimization`: each portrait's code is moved towards the words when it is stylized."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor

from itportrait.config import is_section
from itportrait.editing.styleclip.config import OptimizationTerms
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.invert.rows import RowAdam, RowSchedule
from itportrait.stages.within import tell_step
from itportrait.styles import BoundStyle, Codes, PortraitStyle, PreparedGenerator, PreparedStyle
from itportrait.styles.file import StyleFile

_GOAL, _TERMS = "goal", "optimization"
_WARM_UP, _RAMP_DOWN = 0.05, 0.25
"""Shares of the steps over which the learning rate rises, and falls."""
_CODE, _BETAS = "ws", (0.9, 0.999)


@dataclass(frozen=True, kw_only=True)
class OptimizedStyle(PortraitStyle):
    """Codes that are optimized towards words, each portrait's by itself.

    What is fitted to a portrait is the difference of its code, in single precision.

    Args:
        goals: the words in each image-text model's features, `[D]`.
        weights: of the models.
        terms: settings of the optimization.
    """

    kind: ClassVar[str] = "itportrait-optimized-1"

    goals: Sequence[Tensor] = field(repr=False)
    weights: Sequence[float]
    terms: OptimizationTerms

    def over(self, shown: PreparedStyle, strength: float, *, full: PreparedStyle) -> PreparedStyle:
        for below in (shown, full):
            if not isinstance(below, PreparedGenerator):
                raise InvalidArgumentError(
                    f"the style below {self.domain!r}",
                    expected="one that leaves portraits to a generator",
                    actual=type(below).__name__,
                )
        return _Optimized(self, shown, strength, full)

    def tensors(self) -> Mapping[str, Tensor]:
        return {f"{_GOAL}{number:02d}": goal for number, goal in enumerate(self.goals)}

    def to_file(self) -> StyleFile:
        file = super().to_file()
        about = {"weights": list(self.weights), **self.terms.model_dump(mode="json")}
        return replace(file, info={**file.info, _TERMS: about})

    @classmethod
    def of_file(cls, file: StyleFile) -> Self:
        info = dict(file.info)
        about = info.pop(_TERMS, None)
        weights = about.get("weights") if is_section(about) else None
        if not is_section(about) or not _are_numbers(weights, len(file.tensors)):
            raise CheckpointError(
                f"not a style of kind {cls.kind!r}: its info says nothing of {_TERMS}, or gives no "
                "weight for each of its goals"
            )
        values = {name: value for name, value in about.items() if name != "weights"}
        try:
            terms = OptimizationTerms.parse(values, source=f"{_TERMS} of style {file.domain!r}")
        except InvalidArgumentError as error:
            raise CheckpointError(f"not a style of kind {cls.kind!r}: {error}") from error
        return cls(
            domain=file.domain,
            base_model_id=file.base_model_id,
            info=info,
            goals=[file.tensors[name] for name in sorted(file.tensors)],
            weights=about["weights"],
            terms=terms,
        )


@dataclass
class _Optimized(PreparedStyle):
    style: OptimizedStyle
    shown: PreparedStyle
    strength: float
    full: PreparedStyle

    def bind(self, codes: Codes, *, fitted: Sequence[bytes] | None = None) -> BoundStyle:
        if fitted is None:
            changes = fit_codes(self.style, self.full, codes)
        else:
            changes = torch.stack([_read(data, codes.ws[0]) for data in fitted])
        bound = self.shown.bind(replace(codes, ws=codes.ws + self.strength * changes))
        bound.fitted = tuple(change.cpu().numpy().tobytes() for change in changes)
        return bound


def fit_codes(style: OptimizedStyle, full: PreparedStyle, codes: Codes) -> Tensor:
    """Return how the portraits' codes change, `[N, num_ws, w_dim]`.

    Args:
        style: words and settings, with its models.
        full: what renders the portraits.
        codes: the portraits, each seen from its own camera.

    Raises:
        InvalidArgumentError: the style has no models.
    """
    rows = list(range(len(codes)))
    parts = [rows[start : start + style.terms.batch] for start in rows[:: style.terms.batch]]
    changes = [_fit(style, full, codes[part]) for part in parts]
    return torch.cat(changes) if changes else torch.zeros_like(codes.ws)


def _fit(style: OptimizedStyle, full: PreparedStyle, codes: Codes) -> Tensor:
    """Return the changes of codes that are optimized at once.

    The losses of the portraits are added, so that none acts on another.
    """
    bundle, terms = style.fitting_models(), style.terms
    device = codes.ws.device
    goals = [goal.to(device) for goal in style.goals]
    with torch.no_grad():
        own = bundle.identity.embed(full.render(codes).final_image) if terms.identity else None
    start = codes.ws.detach()
    optimizer = RowAdam({_CODE: start}, {_CODE: terms.learning_rate}, betas=_BETAS)
    schedule = RowSchedule(
        len(codes), steps=terms.steps, warm_up=_WARM_UP, ramp_down=_RAMP_DOWN, device=device
    )
    for _ in range(terms.steps):
        ws = optimizer.values[_CODE]
        with torch.enable_grad():
            image = full.render(replace(codes, ws=ws)).final_image
            loss = terms.l2 * (ws - start).square().sum()
            parts = zip(style.weights, bundle.clips, goals, strict=True)
            for weight, clip, goal in parts:
                loss = loss + weight * (1 - clip.encode_image(image) @ goal).sum()
            if own is not None:
                nearness = (bundle.identity.embed(image) * own).sum(1)
                loss = loss + terms.identity * (1 - nearness).sum()
        (gradient,) = torch.autograd.grad(loss, ws)
        optimizer.step({_CODE: gradient}, schedule.factor())
        schedule.advance()
        tell_step(schedule.step, terms.steps)
    return optimizer.values[_CODE].detach() - start


def _are_numbers(values: object, count: int) -> bool:
    """Return whether JSON data is a list of so many numbers."""
    if not isinstance(values, list):
        return False
    found = cast("list[object]", values)
    return len(found) == count and all(isinstance(each, int | float) for each in found)


def _read(data: bytes, like: Tensor) -> Tensor:
    """Return what was fitted to one portrait.

    Raises:
        CheckpointError: it belongs to another generator.
    """
    values = np.frombuffer(data, np.float32) if len(data) % 4 == 0 else np.empty(0, np.float32)
    if values.size != like.numel():
        raise CheckpointError(
            f"what was fitted to a portrait has {len(data)} bytes, expected {4 * like.numel()} of "
            "a code of this generator; stylize it again"
        )
    return torch.as_tensor(values.copy()).to(like).view_as(like)
