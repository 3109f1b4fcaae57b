"""StyleCLIP: portraits edited towards words, in two of its three forms.

Paper: Patashnik et al., ICCV 2021 (arXiv 2103.17249). Official code, of which none is used:
github.com/orpatashnik/StyleCLIP (MIT). The mapper, trained for ten hours a prompt, is left out.

Form `directions`. As published are style space without the to-RGB layers, relevances from renders
with a channel at its mean -/+ 5 standard deviations, codes of truncation 0.7, words that are
averaged over templates and scaled to length one on both sides, the threshold beta, and the shift
alpha * std * relevance / largest relevance. All layers are measured; the official program leaves
out those above 128 px.

Form `optimization`. As published are the loss (1 - cosine to the words, the sum of the code's
squared differences, identity) and Adam with its ramps, on the code of each portrait.

Our reading, since the method has no published form for generators of tri-planes:
- Style space is that of the backbone and of super-resolution. The background network has no styles.
- Each portrait of the relevances has a camera of its own from the base model's training
  distribution. A portrait is optimized as its own camera sees it, and its scene is then seen from
  everywhere.
- Words are averaged over the image-text model's own templates in form `optimization`, too, where
  the official program takes them bare. Several models count by their weights.
- Pictures are preprocessed as the image-text model asks. The official optimization gives CLIP
  pictures that are not normalized; we take that for a slip, and there is no option for it.
- The identity network compares the picture with the portrait's own render, as a whole.

Nothing is trained for a domain: one step measures, or reads, what there is to know.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.methods.base import AdaptationMethod, MethodContext
from itportrait.adapt.settings import MethodConfig
from itportrait.editing.styleclip.config import StyleclipConfig, StyleclipTerms
from itportrait.editing.styleclip.directions import shift_towards, word_relevances
from itportrait.editing.styleclip.optimization import OptimizedStyle
from itportrait.editing.styleclip.relevances import load_relevances
from itportrait.learning.copies import copied
from itportrait.losses import text_change, weights_of_models
from itportrait.styles import LatentStyle, PreparedStyle, Style


class Edit:
    """What a domain's words are in one of the forms: a shift of style space, or goals.

    Args:
        context: bundle and domain.
        terms: settings of the method.
        state: `state_dict` of a former run, which goes on; None begins.

    Raises:
        InvalidArgumentError: `clip_weights` do not fit the bundle; the words have no direction; in
            form `directions` also: the generator has no style space, or no channel is relevant
            enough.
    """

    def __init__(
        self,
        context: MethodContext[Any],
        terms: StyleclipTerms,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.bundle, self.spec, self.terms = context.bundle, context.spec, terms
        self.weights = weights_of_models(terms.clip_weights, [1.0] * len(self.bundle.clips))
        self.about: dict[str, float] = {}
        if state is not None:
            self.tensors, self.about = dict(state["tensors"]), dict(state["about"])
        elif terms.form == "directions":
            self.tensors = self._shift()
        else:
            self.tensors = self._goals()

    @torch.no_grad()
    def _shift(self) -> dict[str, Tensor]:
        prompt, source, terms = str(self.spec.prompt), self.spec.source_prompt, self.terms
        changes = [text_change(clip, prompt, source) for clip in self.bundle.clips]
        relevances = load_relevances(self.bundle, terms.directions.relevance)
        agreement = terms.directions.agreement
        words = word_relevances(relevances, changes, self.weights, agreement=agreement)
        shift = shift_towards(relevances, words, terms.directions)
        self.about = {
            "channels": float(sum(int(part.count_nonzero()) for part in shift.values())),
            "largest_relevance": float(words.abs().max()),
        }
        return shift

    @torch.no_grad()
    def _goals(self) -> dict[str, Tensor]:
        goals = [clip.encode_prompt(str(self.spec.prompt)) for clip in self.bundle.clips]
        return {f"goal{number:02d}": goal for number, goal in enumerate(goals)}

    def style(self, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> Style:
        """Return the style of kept tensors."""
        name, base = self.spec.name, self.bundle.model_id
        if self.terms.form == "directions":
            return LatentStyle(name, base, tensors, dict(info))
        return OptimizedStyle(
            domain=name,
            base_model_id=base,
            info=dict(info),
            goals=[tensors[key] for key in sorted(tensors)],
            weights=self.weights,
            terms=self.terms.optimization,
        )

    def notes(self) -> dict[str, Any]:
        """Return how many channels the words shift, and the largest relevance among them."""
        return {"directions": dict(self.about)} if self.about else {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"tensors": copied(self.tensors, "cpu"), "about": dict(self.about)}


class StyleclipMethod(AdaptationMethod[StyleclipConfig]):
    """An edit towards the domain's words."""

    Config: ClassVar[type[MethodConfig]] = StyleclipConfig

    def __init__(
        self, context: MethodContext[StyleclipConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        self.edit = Edit(context, context.config, state and state["edit"])

    def step(self, index: int) -> dict[str, float]:
        return {f"styleclip_{name}": value for name, value in self.edit.about.items()}

    def candidate(self) -> PreparedStyle:
        bundle = self.context.bundle
        style = self.edit.style(self.edit.tensors, {}).with_models(bundle)
        return style.prepare(bundle.generator)

    def tensors(self) -> dict[str, Tensor]:
        return self.edit.tensors

    def styles(self, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> dict[str, Style]:
        return {"styleclip": self.edit.style(tensors, info)}

    def notes(self) -> dict[str, Any]:
        return self.edit.notes()

    def state_dict(self) -> dict[str, Any]:
        return {"edit": self.edit.state_dict()}
