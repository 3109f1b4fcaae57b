"""A style that the package does not have: an edit of the code, times strength."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from itportrait.styles import STYLE_KINDS, PreparedGenerator, PreparedStyle, Style


@STYLE_KINDS.register("tests-latent")
@dataclass(frozen=True)
class LatentStyle(Style):
    kind = "tests-latent"
    domain: str
    base_model_id: str
    direction: Tensor
    info: dict = field(default_factory=dict)

    def prepare(self, base, strength=1.0):
        return ShiftedCodes(PreparedGenerator(base), strength * self.direction.to(base.w_avg))


@dataclass
class ShiftedCodes(PreparedStyle):
    plain: PreparedGenerator
    shift: Tensor

    def bind(self, codes, *, fitted=None):
        return self.plain.bind(replace(codes, ws=codes.ws + self.shift))
