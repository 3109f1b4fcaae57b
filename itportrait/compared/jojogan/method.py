"""JoJoGAN: one-shot face stylization, on generators of 3D portraits.

Paper: Chong and Forsyth, ECCV 2022 (arXiv 2112.11641). Official code, of which none is used:
github.com/mchong6/JoJoGAN (MIT). As published are the mixing of rows, all style pictures in every
step, L1 on the maps of several layers, and Adam's figures.

Differences, and our reading where the method has no published form for generators of tri-planes:
- Codes are those of `itportrait.adapt.pair`: the twin's, sought from the style picture alone with
  its camera. The official program takes them from an encoder (e4e) that gives such twins.
- The mixed rows are those of the family's `style_rows`: 7 to 13 of 14, the same depth as the
  published 7 to 17 of 18. Which of them carry color is measured for the embedded family
  (`benchmarks/bm_rows.py`), and the published choice at the same depth elsewhere.
- The features are the perceptual network's. Those of a discriminator, as published, would be
  compared by the same `FeatureLoss`.
- Only the layers of the domain's `train` are trained, and not the mapping, which the official
  program's optimizer holds though no gradient reaches it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.layers import row_set
from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import StepLoss, Student, training_render
from itportrait.adapt.pair import Pair, build_pairs
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import FinetuningConfig, MethodConfig
from itportrait.compared.guided import ADAPTED, Guide, GuidedMethod
from itportrait.compared.jojogan.config import JojoganConfig, JojoTerms
from itportrait.learning.seeds import step_rng
from itportrait.losses import FeatureLoss


class MixingGuide(Guide[JojoTerms]):
    """The feature loss between style pictures and renders of their codes with mixed rows."""

    def __init__(
        self,
        context: MethodContext[FinetuningConfig],
        terms: JojoTerms,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(context, terms, state)
        bundle, device = context.bundle, context.bundle.generator.device
        if state is None:
            seed, workers = context.spec.seed, context.workers
            self.pairs = build_pairs(bundle, context.references, terms.pair, seed, workers)
        else:
            self.pairs = [Pair.from_state(pair, device) for pair in state["pairs"]]
        self.rows = mixed_rows(context, terms)
        self.compare = FeatureLoss(bundle.perceptual, terms.size)
        with torch.no_grad():
            styles = torch.cat([pair.style for pair in self.pairs])
            self.wanted = self.compare.features(styles)

    def pull(self, student: Student, index: int) -> StepLoss:
        rng = step_rng(self.context.spec.seed, self.context.workers.rank, index, "jojogan")
        drawn = torch.randperm(len(self.pairs), generator=rng)[: self.terms.batch]
        chosen = sorted(int(number) for number in drawn)
        ws = self.codes(chosen, rng)
        cameras = torch.cat([self.pairs[number].camera for number in chosen])
        render = training_render(self.context.config, student.generator, ws, cameras)
        wanted = [maps[chosen] for maps in self.wanted]
        loss = self.compare(render.final_image, wanted).mean()
        return StepLoss(ADAPTED, loss, {"jojogan_features": float(loss.detach())})

    def codes(self, chosen: list[int], rng: torch.Generator) -> Tensor:
        """Return the codes of some pairs with rows that are mixed with a random portrait's each.

        Args:
            chosen: numbers of the pairs.
            rng: of the step.
        """
        ws = torch.cat([self.pairs[number].w_plus for number in chosen])
        psi = self.context.config.truncation_psi
        others = random_codes(self.context.bundle, len(ws), rng, psi)
        return mix(ws, others, self.rows, self.terms.mixing)

    def notes(self) -> dict[str, Any]:
        """Return the quality of the twins, one a style picture."""
        return {"pairs": [pair.report.to_dict() for pair in self.pairs]}

    def state_dict(self) -> dict[str, Any]:
        return {"pairs": [pair.state_dict() for pair in self.pairs]}


def mixed_rows(context: MethodContext[Any], terms: JojoTerms) -> list[int]:
    """Return the rows that are mixed: the style rows, without those of color where it is kept."""
    generator = context.bundle.generator
    kept = row_set("color_rows", generator) if terms.preserve_color else ()
    return [row for row in row_set("style_rows", generator) if row not in kept]


def mix(ws: Tensor, others: Tensor, rows: list[int], share: float) -> Tensor:
    """Return codes with some rows moved towards others by a share; 1 replaces them."""
    mixed = ws.clone()
    mixed[:, rows] = others[:, rows] if share == 1 else ws[:, rows].lerp(others[:, rows], share)
    return mixed


class JojoganMethod(GuidedMethod[JojoganConfig]):
    """The feature loss on one copy."""

    Config: ClassVar[type[MethodConfig]] = JojoganConfig
    GUIDES: ClassVar = {"jojogan": MixingGuide}
