"""Couplings of methods that the ITportrait paper compares with: a sum of losses on one copy.

Paper: ITportrait (arXiv 2304.04364) names the couplings and publishes no program for them. Our
reading: one copy of the generator and one Adam, which follows the weighted sum of the parts'
losses. Each part draws what it draws alone, and gives gradients to the layers that it trains alone:
those that the directional loss has not chosen in a step follow the feature loss only.

Another coupling is one class here, of methods that are guided, and one configuration that has the
settings of each part under its name.
"""

from typing import ClassVar

from itportrait.adapt.settings import MethodConfig
from itportrait.compared.coupled.config import (
    CoupledConfig,
    Part,
    StyleganNadaJojoganConfig,
)
from itportrait.compared.guided import GuidedMethod
from itportrait.compared.jojogan.method import JojoganMethod
from itportrait.compared.stylegan_nada.method import StyleganNadaMethod


class CoupledMethod(GuidedMethod[CoupledConfig]):
    """The guides of several methods on one copy."""

    def terms(self, guide: str) -> Part:
        part = getattr(self.context.config, guide)
        assert isinstance(part, Part)  # a coupling's configuration names its parts
        return part

    def weight(self, guide: str) -> float:
        return self.terms(guide).weight


class StyleganNadaJojoganMethod(CoupledMethod):
    """Words by the directional loss, pictures by the feature loss."""

    Config: ClassVar[type[MethodConfig]] = StyleganNadaJojoganConfig
    GUIDES: ClassVar = {**StyleganNadaMethod.GUIDES, **JojoganMethod.GUIDES}
