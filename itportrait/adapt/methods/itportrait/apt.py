"""Stage 1 of ITportrait, 3D artistic paired transfer: style image against its twin's rows."""

import torch
from torch import Tensor

from itportrait.adapt.layers import row_set
from itportrait.adapt.methods.finetuning import training_render
from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.adapt.methods.itportrait.ite import ImageTextEmbedding
from itportrait.adapt.methods.itportrait.scenes import SceneSource
from itportrait.adapt.pair import Pair
from itportrait.adapt.sampling import random_codes
from itportrait.bundle import Bundle
from itportrait.generator import Generator
from itportrait.losses import (
    IdentityLoss,
    PerceptualLoss,
    depth_distance,
    l2_loss,
)


@torch.no_grad()
def style_changes(bundle: Bundle, pairs: list[Pair]) -> list[Tensor]:
    """Return E(style) - E(twin), averaged over the pairs, `[D]` a model, with its length."""
    return [
        torch.cat(
            [model.encode_image(pair.style) - model.encode_image(pair.twin) for pair in pairs]
        ).mean(0)
        for model in bundle.clips
    ]


class PairedTransfer:
    """The loss of a stage-1 step.

    Args:
        bundle: base generator and guiding models.
        config: resolved configuration.
        pairs: style images with their twins; one is drawn a step.
        scenes: of random codes, for the term that spreads the style.
    """

    def __init__(
        self, bundle: Bundle, config: ItportraitConfig, pairs: list[Pair], scenes: SceneSource
    ) -> None:
        self.bundle, self.config, self.pairs = bundle, config, pairs
        self.rows = list(row_set(config.apt.rows, bundle.generator))
        self.perceptual = PerceptualLoss(bundle.perceptual, config.apt.size)
        self.identity = IdentityLoss(bundle.identity) if config.apt.identity else None
        self.spread = None
        if config.apt.direction:
            self.spread = ImageTextEmbedding(bundle, config, style_changes(bundle, pairs), scenes)

    def codes(self, pair: Pair, rng: torch.Generator) -> Tensor:
        """Return `[batch, num_ws, w_dim]`: the pair's code with random style rows."""
        apt = self.config.apt
        random = random_codes(self.bundle, apt.batch, rng, self.config.truncation_psi)
        ws = pair.w_plus.repeat(apt.batch, 1, 1)
        ws[:, self.rows] = random[:, self.rows]
        return ws

    def loss(self, student: Generator, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one step and its parts.

        Args:
            student: the image-adapted copy.
            rng: of this step.
        """
        apt = self.config.apt
        pair = self.pairs[int(torch.randint(len(self.pairs), (), generator=rng))]
        ws = self.codes(pair, rng)
        camera = pair.camera.expand(len(ws), -1)
        render = training_render(self.config, student, ws, camera)
        image, style = render.final_image, pair.style.expand(len(ws), -1, -1, -1)
        parts = {"perceptual": apt.perceptual * self.perceptual(image, style).mean()}
        if apt.l2:
            parts["l2"] = apt.l2 * l2_loss(image, style).mean()
        if apt.identity or apt.depth:
            with torch.no_grad():
                base = training_render(self.config, self.bundle.generator, ws, camera)
            if self.identity is not None:
                target = self.identity.embed(base.final_image)
                parts["identity"] = apt.identity * self.identity(image, target).mean()
            if apt.depth:
                distance = depth_distance(render.image_depth, base.image_depth, base.image_alpha)
                parts["depth"] = apt.depth * distance.mean()
        if self.spread is not None:
            parts["direction"] = apt.direction * self.spread.loss(student, None, rng)[0]
        total = torch.stack(list(parts.values())).sum()
        return total, {f"apt_{name}": float(value.detach()) for name, value in parts.items()}
