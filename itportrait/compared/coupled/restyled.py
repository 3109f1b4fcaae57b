"""Words restyle what pictures have adapted: the coupling jojogan+clipstyler.

Paper: ITportrait (arXiv 2304.04364) names the coupling and publishes no program for it. Our
reading: JoJoGAN trains the generator by the style pictures, and the networks lie over its renders.
Steps are chosen by the generator's own renders.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.settings import MethodConfig
from itportrait.compared.coupled.config import JojoganClipstylerConfig
from itportrait.compared.guided import GuidedMethod
from itportrait.compared.jojogan.method import JojoganMethod
from itportrait.config import Settings
from itportrait.editing.clipstyler.method import DIRECTION, fitted_style, words_direction
from itportrait.styles import StackedStyle, Style


class JojoganClipstylerMethod(GuidedMethod[JojoganClipstylerConfig]):
    """Pictures by the feature loss on the generator, words by networks over its renders."""

    Config: ClassVar[type[MethodConfig]] = JojoganClipstylerConfig
    GUIDES: ClassVar = JojoganMethod.GUIDES

    def __init__(
        self,
        context: MethodContext[JojoganClipstylerConfig],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(context, state)
        self.direction = words_direction(context, state)

    def terms(self, guide: str) -> Settings:
        return self.context.config.jojogan

    def tensors(self) -> dict[str, Tensor]:
        return {**super().tensors(), DIRECTION: self.direction}

    def styles(self, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> dict[str, Style]:
        below = super().styles(tensors, {})[self.result]
        above = fitted_style(self.context, self.context.config.clipstyler, tensors, {})
        domain, model_id = below.domain, below.base_model_id
        return {"jojogan+clipstyler": StackedStyle(domain, model_id, below, above, dict(info))}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), DIRECTION: self.direction.cpu().clone()}
