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
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def bind(self, codes: Codes, *, fitted: Sequence[bytes] | None = None) -> BoundStyle:
        if codes.deltas is None:
            return BoundGenerator(self.generator, codes)
        parts: list[BoundStyle] = []
        for delta, code in zip(codes.deltas, codes.split(1), strict=True):
            generator = self.generator
            if delta is not None:
                generator = tuned(generator, delta)
            parts.append(BoundGenerator(generator, code))
        return parts[0] if len(parts) == 1 else BoundTogether(parts, codes)


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
    """Portraits that were bound one by one, since each has weights of its own."""

    def __init__(self, parts: Sequence[BoundStyle], codes: Codes) -> None:
        self.parts, self.codes = list(parts), codes
        self.volume = self.parts[0].volume if self.parts else None

    def render(self, cameras: Tensor, *, super_resolve: bool = True) -> Rendering:
        if len(cameras) != len(self.parts):
            raise InvalidArgumentError(
                "cameras", expected=f"{len(self.parts)}, one a portrait", actual=len(cameras)
            )
        return join_renderings(
            [
                part.render(cameras[row : row + 1], super_resolve=super_resolve)
                for row, part in enumerate(self.parts)
            ]
        )

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        each = [part.density(points[row : row + 1]) for row, part in enumerate(self.parts)]
        return torch.cat([sigma for sigma, _ in each]), torch.cat([rgb for _, rgb in each])


def join_renderings(parts: Sequence[Rendering]) -> Rendering:
    """Return the views of several renderings as one, in order; samples along rays are left out."""
    images = [part.image for part in parts if part.image is not None]
    return Rendering(
        image=torch.cat(images) if images else None,
        image_raw=torch.cat([part.image_raw for part in parts]),
        image_depth=torch.cat([part.image_depth for part in parts]),
        image_alpha=torch.cat([part.image_alpha for part in parts]),
    )


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
def tuned(generator: Generator, delta: WeightDelta) -> Generator:
    """Return a generator as one portrait changes it; what it leaves as it is, is shared.

    Args:
        generator: the base, or a copy in a style. It is not changed, nor to be changed afterwards.
        delta: of the portrait.

    Raises:
        InvalidArgumentError: the generator has no tensor of a name and shape.
    """
    parameters = dict(generator.named_parameters())
    remedy = "invert with the same bundle"
    return substituted(generator, dict(_sums(parameters, delta.changes, 1.0, remedy)))


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
