"""A style that the package does not have: a filter of pictures, fitted to each portrait."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from itportrait.styles import STYLE_KINDS, BoundStyle, PreparedGenerator, PreparedStyle, Style


@STYLE_KINDS.register("tests-portrait")
@dataclass(frozen=True)
class PortraitStyle(Style):
    kind = "tests-portrait"
    domain: str
    base_model_id: str
    color: Tensor
    info: dict = field(default_factory=dict)

    def prepare(self, base, strength=1.0):
        return Filter(PreparedGenerator(base), self.color, strength)


@dataclass
class Filter(PreparedStyle):
    plain: PreparedGenerator
    color: Tensor
    strength: float

    def bind(self, codes, *, fitted=None):
        return FilteredPortraits(self, codes, fitted)


class FilteredPortraits(BoundStyle):
    def __init__(self, style, codes, fitted):
        self.style, self.codes, self.plain = style, codes, style.plain.bind(codes)
        self.fitted = fitted or tuple(self.fit())

    def fit(self):
        for mean in self.plain.render(self.codes.cameras).image.mean((2, 3)):
            yield (self.style.color - mean).numpy().tobytes()

    def render(self, cameras, *, super_resolve=True):
        view = self.plain.render(cameras, super_resolve=super_resolve)
        shift = torch.tensor(np.stack([np.frombuffer(d, np.float32) for d in self.fitted]))
        image = view.image if super_resolve else view.image_raw
        image = image + self.style.strength * shift[:, :, None, None]
        return replace(view, **{"image" if super_resolve else "image_raw": image})
