"""The kind of style that clipstyler makes: each view of a portrait through its own 2D network."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from itportrait.editing.clipstyler.config import ClipstylerFit
from itportrait.editing.clipstyler.fit import fit_networks, networks_of
from itportrait.editing.clipstyler.network import Networks
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.generator import Rendering
from itportrait.losses import luma
from itportrait.styles import BoundStyle, Codes, PortraitStyle, PreparedStyle, StyleFile

SETTINGS = "clipstyler"
"""Entry of the style's info that holds how it is fitted."""


@dataclass(frozen=True, kw_only=True)
class ClipstylerStyle(PortraitStyle):
    """A network for each portrait, which is fitted to words and repaints every view by itself.

    Args:
        direction: `[D]` from the source words to those of the domain, in the bundle's first
            image-text model.
        info: holds the settings of the fit under `clipstyler`.
    """

    kind: ClassVar[str] = "itportrait-clipstyler-1"

    direction: Tensor = field(repr=False)

    def over(self, shown: PreparedStyle, strength: float, *, full: PreparedStyle) -> PreparedStyle:
        return PreparedNetworks(self, self.settings(), shown, strength, full)

    def settings(self) -> ClipstylerFit:
        """Return how networks are fitted."""
        return ClipstylerFit.parse(self.info[SETTINGS], source=f"style {self.domain!r}")

    @classmethod
    def of_file(cls, file: StyleFile) -> Self:
        style = super().of_file(file)
        try:
            style.settings()
        except (KeyError, InvalidArgumentError) as error:
            raise CheckpointError(f"not a style of clipstyler: {error}") from error
        return style


@dataclass(frozen=True)
class PreparedNetworks(PreparedStyle):
    """The style over what renders portraits; see `PortraitStyle.over`."""

    style: ClipstylerStyle
    settings: ClipstylerFit
    shown: PreparedStyle
    strength: float
    full: PreparedStyle

    def bind(self, codes: Codes, *, fitted: Sequence[bytes] | None = None) -> BoundStyle:
        fitted = self._fit(codes) if fitted is None else fitted
        return BoundNetworks(self, self.shown.bind(codes), tuple(fitted))

    def _fit(self, codes: Codes) -> list[bytes]:
        bundle = self.style.fitting_models()
        # One by one, since a batch is rounded otherwise, and a fit enlarges such differences.
        with torch.no_grad():
            renders = [self.full.render(codes[[row]]) for row in range(len(codes))]
        images = torch.cat([view.final_image for view in renders])
        keys = [hashlib.sha256(w.float().cpu().numpy().tobytes()).hexdigest() for w in codes.ws]
        return fit_networks(images, keys, self.style.direction, self.settings, bundle)


class BoundNetworks(BoundStyle):
    """Portraits with their networks. A blend of pictures has no density, and so gives no mesh."""

    def __init__(
        self, prepared: PreparedNetworks, below: BoundStyle, fitted: tuple[bytes, ...]
    ) -> None:
        self.codes, self.below, self.fitted = below.codes, below, fitted
        self.strength, self.contrast = prepared.strength, prepared.settings.contrast
        self.networks: Networks = networks_of(fitted, prepared.settings, self.codes.ws)

    def render(self, cameras: Tensor, *, super_resolve: bool = True) -> Rendering:
        view = self.below.render(cameras, super_resolve=super_resolve)
        if not super_resolve:
            return view
        image = view.final_image
        styled = with_contrast(self.networks(image), self.contrast)
        return replace(view, image=image.lerp(styled, self.strength))


def with_contrast(image: Tensor, factor: float) -> Tensor:
    """Return pictures `[N, 3, H, W]` in [-1, 1] whose distance to their mean gray is multiplied."""
    if factor == 1:
        return image
    gray = luma(image).mean((1, 2, 3), keepdim=True)
    return (gray + factor * (image - gray)).clamp(-1, 1)
