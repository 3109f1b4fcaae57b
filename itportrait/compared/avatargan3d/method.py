"""3DAvatarGAN: adapt a generator to the pictures of a set, or to the samples of a 2D generator.

Paper: "3DAvatarGAN: Bridging Domains for Personalized Editable Avatars" (Abdal et al., CVPR 2023).
No code of it is public. The paper's text was not used beyond its abstract; the rest is our reading:
- A 2D generator's samples are a set of pictures like any other: write them to a folder, and align
  it. `mini:NAME` are drawn pictures.
- Cameras (`cameras.py`): the family's intrinsics, a distance from the spread of landmarks, and
  angles by the bundle's encoder, leveled by their mean.
  Where a bundle has no encoder, they are those of the align stage.
- The discriminator, its penalty, augmentation and density term are `itportrait.adversarial`.
- The depth prior is the mean absolute difference to the base's depth, where that has a surface.
- The spline (`warp.py`) bends the front plane wherever the style is rendered. Its penalties are on
  the size of the shifts, and on what differs between left and right.
- The decoder is frozen, whatever the domain's `train` says.
- Offsets in style space, and the inversion that links two latent spaces, are left out: a portrait's
  code is that of the base, since the mapping is never trained.

The preset `mini` is made for 64 pictures and a minute of one core: its discriminator is heads on
the frozen perceptual network, and an average of the weights is kept. docs/decisions.md has figures.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.layers import trained_names
from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.settings import MethodConfig
from itportrait.compared.against import AdversarialMethod, Views
from itportrait.compared.avatargan3d.cameras import CameraAlignment
from itportrait.compared.avatargan3d.config import AvatarGan3dConfig
from itportrait.compared.avatargan3d.warp import FrontWarp, asymmetry_penalty, size_penalty
from itportrait.generator import Generator
from itportrait.geometry.camera import mirror_camera
from itportrait.learning.seeds import step_rng
from itportrait.losses import depth_distance
from itportrait.picture_sets import PictureBatch


class AvatarGan3dMethod(AdversarialMethod[AvatarGan3dConfig]):
    """A generator whose front plane is bent, a discriminator, and aligned cameras."""

    Config: ClassVar[type[MethodConfig]] = AvatarGan3dConfig
    NAME = "avatar"
    result = "avatar"

    def __init__(
        self, context: MethodContext[AvatarGan3dConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        terms, seed = context.config.cameras, context.spec.seed
        self.cameras = CameraAlignment(context.bundle, self.pictures, terms, seed, context.workers)
        if state is None:
            self.cameras.begin()
        else:
            self.cameras.load_state_dict(state["cameras"])

    @property
    def warp(self) -> FrontWarp:
        """The trained copy's deformation."""
        warp = self.deformation
        assert isinstance(warp, FrontWarp)
        return warp

    def make_deformation(self) -> FrontWarp:
        terms, base = self.context.config.warp, self.context.bundle.generator
        rows = len(base.row_sets["shape"])
        warp = FrontWarp(rows, base.w_dim, terms.width, terms.points, terms.limit)
        warp.draw_weights(step_rng(self.context.spec.seed, 0, 0, "front-warp"))
        return warp

    def among(self, generator: Generator) -> Collection[str]:
        """Return the names of all parameters but those of the decoder."""
        decoder = set(self.context.bundle.generator.parameters_of(("decoder",)))
        names = trained_names(generator, self.context.spec.train)
        return [name for name in names if name not in decoder]

    def proposed(self, batch: PictureBatch, image: Tensor, mirrored: Tensor) -> Tensor:
        cameras = self.cameras.propose(batch)
        return torch.where(mirrored[:, None], mirror_camera(cameras), cameras)

    def step(self, index: int) -> dict[str, float]:
        if index and index % self.context.config.cameras.refresh == 0:
            self.cameras.correct(self.adapted.scored(), index)
        return super().step(index)

    def priors(self, views: Views) -> dict[str, Tensor]:
        config, render, plain = self.context.config, views.render, views.plain
        shifts = self.warp.shifts(views.ws)
        distance = depth_distance(render.image_depth, plain.image_depth, plain.image_alpha)
        return {
            "depth": config.depth * distance.mean(),
            "shift": config.warp.size * size_penalty(shifts),
            "asymmetry": config.warp.asymmetry * asymmetry_penalty(shifts),
        }

    def notes(self) -> dict[str, Any]:
        """Return what the alignment of cameras found, and how strong the augmentation became."""
        return {"cameras": dict(self.cameras.report), **super().notes()}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "cameras": self.cameras.state_dict()}
