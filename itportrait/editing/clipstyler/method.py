"""CLIPstyler: image style transfer with a single text condition, on portraits of a 3D generator.

Paper: Kwon and Ye, CVPR 2022 (arXiv 2112.00374). Official code, of which none is used:
github.com/cyclomon/CLIPstyler (MIT). As published are the terms and their weights, the threshold,
the patches and their perspective, the shape of the network, Adam and its schedule.

The method trains nothing for a domain: a network is fitted to each portrait, on the render from its
own camera, when it is stylized. Other views pass through the same network one by one, so that
nothing keeps them consistent, and there is no density and no mesh.

Differences, and our reading:
- The content features are the last two maps of the bundle's perceptual network. With LPIPS these
  are VGG-16 after ReLU at 256 pixels. The published program takes VGG-19 at 512 pixels, where both
  of its layers are in effect after ReLU: a later in-place operation overwrites the one that is
  meant to be before it.
- The contrast of the pictures is left alone. The published program multiplies it by 1.5 when it
  saves a picture; the option `contrast` does so.
- Text features have unit length before the templates are averaged, as in all methods here, and the
  cosine fades in with the length of a change (`losses.SHORTEST_CHANGE`).
- Corners of patches move by any amount, not by whole pixels, and patches are enlarged for the
  image-text model as all pictures are here.
- The learning rate is halved after 100 steps, not 99, as the program's order of calls does.
- Preset `mini` lets the network paint over the picture with a mask (`from_picture`), because 40
  steps do not suffice to draw it anew.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from itportrait.adapt.methods.base import AdaptationMethod, MethodContext
from itportrait.adapt.settings import MethodConfig
from itportrait.editing.clipstyler.config import (
    ClipstylerConfig,
    ClipstylerFit,
    ClipstylerTerms,
)
from itportrait.editing.clipstyler.style import SETTINGS, ClipstylerStyle
from itportrait.losses import text_change
from itportrait.styles import PreparedStyle, Style

DIRECTION = "direction"


class ClipstylerMethod(AdaptationMethod[ClipstylerConfig]):
    """One step, which encodes the words; all else is fitted to portraits."""

    Config: ClassVar[type[MethodConfig]] = ClipstylerConfig

    def __init__(
        self, context: MethodContext[ClipstylerConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        self.direction = words_direction(context, state)

    def step(self, index: int) -> dict[str, float]:
        return {}

    def candidate(self) -> PreparedStyle:
        bundle = self.context.bundle
        style = self.styles(self.tensors(), {})["clipstyler"]
        return style.with_models(bundle).prepare(bundle.generator)

    def tensors(self) -> dict[str, Tensor]:
        return {DIRECTION: self.direction}

    def styles(self, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> dict[str, Style]:
        return {"clipstyler": fitted_style(self.context, self.context.config, tensors, info)}

    def state_dict(self) -> dict[str, Any]:
        return {DIRECTION: self.direction.cpu().clone()}


def words_direction(context: MethodContext[Any], state: Mapping[str, Any] | None) -> Tensor:
    """Return the way of the words in the bundle's first image-text model, `[D]`."""
    if state is not None:
        return state[DIRECTION].to(context.bundle.generator.device)
    prompt = context.spec.prompt
    assert prompt is not None  # the method is guided by words
    return text_change(context.bundle.clips[0], prompt, context.spec.source_prompt)


def fitted_style(
    context: MethodContext[Any],
    terms: ClipstylerTerms,
    tensors: Mapping[str, Tensor],
    info: dict[str, Any],
) -> ClipstylerStyle:
    """Return the style that fits a network to each portrait.

    Args:
        context: of the run.
        terms: how networks are fitted.
        tensors: with the way of the words, under `DIRECTION`.
        info: JSON data kept with the style.
    """
    values = terms.model_dump(mode="json", include=set(ClipstylerTerms.model_fields))
    fit = ClipstylerFit(**values, seed=context.spec.seed)
    return ClipstylerStyle(
        domain=context.spec.name,
        base_model_id=context.bundle.model_id,
        info={**info, SETTINGS: fit.model_dump(mode="json")},
        direction=tensors[DIRECTION].cpu(),
    )
