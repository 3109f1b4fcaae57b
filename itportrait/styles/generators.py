"""Generators as prepared styles: the base as it is, or one whose weights a style has changed."""

import copy
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Generator, Rendering
from itportrait.generator.substitutes import substituted
from itportrait.styles.codes import Codes, WeightDelta
from itportrait.styles.style import BoundStyle, PreparedStyle, Volume


class PreparedGenerator(PreparedStyle):
    """Portraits as a generator renders them.

    Args:
        generator: the base, or a copy whose weights were changed. It is kept and not copied, so
            that a generator in training is seen as it is at each moment.
        style: how much of a style is in it, from 0 to 1; see `WeightDelta.within`.
    """

    def __init__(self, generator: Generator, *, style: float = 0.0) -> None:
        self.generator, self.style = generator, style

    def bind(self, codes: Codes, *, fitted: Sequence[bytes] | None = None) -> BoundStyle:
        each = [delta and delta.within(self.style) for delta in codes.deltas or [None] * len(codes)]
        plain = [row for row, delta in enumerate(each) if delta is None]
        own = [row for row, delta in enumerate(each) if delta is not None]
        if not own:
            return BoundGenerator(self.generator, codes)
        generator = tuned(self.generator, [delta for delta in each if delta is not None])
        if not plain:
            return BoundGenerator(generator, codes)
        parts = [
            BoundGenerator(generator, codes[own]),
            BoundGenerator(self.generator, codes[plain]),
        ]
        return BoundTogether(parts, [own, plain], codes)


class BoundGenerator(BoundStyle):
    """Portraits whose planes one generator has drawn."""

    def __init__(self, generator: Generator, codes: Codes) -> None:
        self.codes, self.generator = codes, generator
        self.planes = generator.planes(codes.ws)
        self.volume = Volume(generator.box_warp, generator.density_gain)

    def render(self, cameras: Tensor, *, super_resolve: bool = True) -> Rendering:
        planes, ws = self.planes, self.codes.ws
        if len(ws) == 1:
            planes = planes.expand(len(cameras), *planes.shape[1:])
            ws = ws.expand(len(cameras), *ws.shape[1:])
        return self.generator.render(planes, ws, cameras.to(ws.device), super_resolve=super_resolve)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self.generator.sample(points, self.planes)


class BoundTogether(BoundStyle):
    """Portraits of one batch in several parts, each drawn by a generator of its own.

    Args:
        parts: what is bound already.
        rows: of each part, the positions of its portraits in the batch.
        codes: the batch.
    """

    def __init__(
        self, parts: Sequence[BoundStyle], rows: Sequence[Sequence[int]], codes: Codes
    ) -> None:
        self.parts, self.rows, self.codes = list(parts), list(rows), codes
        self.volume = self.parts[0].volume
        order = torch.tensor([row for part in rows for row in part], device=codes.device)
        self.places = order.argsort()

    def render(self, cameras: Tensor, *, super_resolve: bool = True) -> Rendering:
        if len(cameras) != len(self.codes):
            raise InvalidArgumentError(
                "cameras", expected=f"{len(self.codes)}, one a portrait", actual=len(cameras)
            )
        joined = join_renderings(
            [
                part.render(cameras[rows], super_resolve=super_resolve)
                for part, rows in zip(self.parts, self.rows, strict=True)
            ]
        )
        image = joined.image
        return Rendering(
            image=None if image is None else image[self.places],
            image_raw=joined.image_raw[self.places],
            image_depth=joined.image_depth[self.places],
            image_alpha=joined.image_alpha[self.places],
        )

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        parts = zip(self.parts, self.rows, strict=True)
        each = [part.density(points[rows]) for part, rows in parts]
        sigma, rgb = (torch.cat(values)[self.places] for values in zip(*each, strict=True))
        return sigma, rgb


def join_renderings(parts: Sequence[Rendering]) -> Rendering:
    """Return the views of several renderings as one, in order; samples along rays are left out."""
    images = [part.image for part in parts if part.image is not None]
    return Rendering(
        image=torch.cat(images) if images else None,
        image_raw=torch.cat([part.image_raw for part in parts]),
        image_depth=torch.cat([part.image_depth for part in parts]),
        image_alpha=torch.cat([part.image_alpha for part in parts]),
    )


def differences(base: Generator, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what weights differ by from a base generator's: float32, on the CPU, rounded once.

    Args:
        base: the generator as it was.
        weights: parameter name -> its value after training.
    """
    old = dict(base.named_parameters())
    return {
        name: (value.detach().double() - old[name].detach().double()).float().cpu()
        for name, value in weights.items()
    }


@torch.no_grad()
def changed(
    generator: Generator,
    changes: Mapping[str, Tensor],
    strength: float = 1.0,
    *,
    remedy: str,
) -> Generator:
    """Return a frozen copy of a generator with differences added to its weights.

    Args:
        generator: it is not changed.
        changes: parameter name -> difference.
        strength: factor on all differences.
        remedy: what to do where they do not fit, for the error.

    Raises:
        InvalidArgumentError: the generator has no tensor of a name and shape.
    """
    copied = copy.deepcopy(generator)
    parameters = dict(copied.named_parameters())
    for name, value in _sums(parameters, changes, strength, remedy):
        parameters[name].copy_(value)
    return copied.eval().requires_grad_(False)


@torch.no_grad()
def tuned(generator: Generator, deltas: Sequence[WeightDelta | None]) -> Generator:
    """Return a generator as portraits change it; what they leave as it is, is shared.

    Args:
        generator: the base, or a copy in a style. It is not changed, nor to be changed afterwards.
        deltas: of N portraits; None leaves the generator as it is. Where there is one, the result
            draws any number of samples; else it draws N, each with its portrait's weights.

    Raises:
        InvalidArgumentError: the generator has no tensor of a name and shape.
    """
    parameters = dict(generator.named_parameters())
    remedy = "invert with the same bundle"
    each: list[dict[str, Tensor]] = [
        {} if delta is None else dict(_sums(parameters, delta.changes, 1.0, remedy))
        for delta in deltas
    ]
    if len(each) == 1:
        return substituted(generator, each[0])
    names = dict.fromkeys(name for values in each for name in values)
    stacks = {
        name: torch.stack([values.pop(name, parameters[name]) for values in each]) for name in names
    }
    return substituted(generator, stacks)


def _sums(
    parameters: Mapping[str, Tensor], changes: Mapping[str, Tensor], strength: float, remedy: str
) -> Iterator[tuple[str, Tensor]]:
    """Yield each changed parameter's new value; the sum is rounded once."""
    for name, change in changes.items():
        old = parameters.get(name)
        if old is None or old.shape != change.shape:
            raise InvalidArgumentError(
                "generator",
                expected=f"a tensor {name} of shape {list(change.shape)}",
                actual="none" if old is None else list(old.shape),
                remedy=remedy,
            )
        scaled = change.to(old.device, torch.float64) * strength
        yield name, (old.double() + scaled).to(old.dtype)
