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

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.layers import trained_names
from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import FinetuningMethod, StepLoss, Student
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import MethodConfig
from itportrait.adversarial import Adversary, Shown
from itportrait.compared.avatargan3d.cameras import CameraAlignment
from itportrait.compared.avatargan3d.config import AvatarGan3dConfig
from itportrait.compared.avatargan3d.warp import FrontWarp, asymmetry_penalty, size_penalty
from itportrait.generator import Generator, Rendering
from itportrait.generator.deformation import deformed
from itportrait.geometry.camera import mirror_camera
from itportrait.learning.seeds import step_rng
from itportrait.losses import depth_distance
from itportrait.picture_sets import PictureSet
from itportrait.styles import DeformedStyle, Style

_AVATAR = "avatar"
"""Name of the trained copy."""


class AvatarGan3dMethod(FinetuningMethod[AvatarGan3dConfig]):
    """A generator whose front plane is bent, a discriminator, and aligned cameras."""

    Config: ClassVar[type[MethodConfig]] = AvatarGan3dConfig
    result = _AVATAR

    def __init__(
        self, context: MethodContext[AvatarGan3dConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        config, bundle, seed = context.config, context.bundle, context.spec.seed
        self.cameras = CameraAlignment(bundle, self.pictures, config.cameras, seed, context.workers)
        side = config.neural_rendering_resolution
        self.adversary = Adversary(config.adversary, bundle, seed, context.workers, raw_side=side)
        if state is None:
            self.cameras.begin()
        else:
            self.cameras.load_state_dict(state["cameras"])
            self.adversary.load_state_dict(state["adversary"])

    @property
    def pictures(self) -> PictureSet:
        """The set that guides the domain."""
        assert self.context.pictures is not None  # `accepts` names sets alone
        return self.context.pictures

    @property
    def copy(self) -> Student:
        """The trained copy."""
        return self.students[_AVATAR]

    @property
    def warp(self) -> FrontWarp:
        """The trained copy's deformation."""
        warp = self.copy.generator.get_submodule("deformation")
        assert isinstance(warp, FrontWarp)
        return warp

    def make_students(self) -> dict[str, Student]:
        context, config, base = self.context, self.context.config, self.context.bundle.generator
        rows = len(base.row_sets["shape"])
        terms = config.warp
        warp = FrontWarp(rows, base.w_dim, terms.width, terms.points, terms.limit)
        warp.draw_weights(step_rng(context.spec.seed, 0, 0, "front-warp"))
        copied = deformed(base, warp)
        decoder = set(base.parameters_of(("decoder",)))
        names = [n for n in trained_names(copied, context.spec.train) if n not in decoder]
        student = Student(
            copied,
            context.spec.train,
            learning_rate=config.learning_rate,
            betas=config.betas,
            ema=config.ema,
            among=names,
        )
        return {_AVATAR: student}

    def step(self, index: int) -> dict[str, float]:
        if index and index % self.context.config.cameras.refresh == 0:
            self.cameras.correct(self.copy.scored(), index)
        real = self.draw_real(index)
        part, fake = self.terms(real, index)
        self.copy.update(part, self.context.workers)
        return {**part.log, **self.adversary.discriminator_step(real, fake, index)}

    def loss(self, index: int) -> StepLoss:
        return self.terms(self.draw_real(index), index)[0]

    def terms(self, real: Shown, index: int) -> tuple[StepLoss, Shown]:
        """Return the loss of the generator in a step, and the renders that it is of.

        Args:
            real: pictures of the set; renders are made from their cameras.
            index: number of the step, from 0.
        """
        config, context = self.context.config, self.context
        student, base = self.copy.generator, context.bundle.generator
        rng = step_rng(context.spec.seed, context.workers.rank, index, "avatar")
        ws = random_codes(context.bundle, len(real.cameras), rng, config.truncation_psi)
        planes = student.planes(ws)
        render = self._view(student, planes, ws, real.cameras)
        with torch.no_grad():
            plain = self._view(base, base.planes(ws), ws, real.cameras, final=False)
        fake, shifts = Shown.rendered(render, real.cameras), self.warp.shifts(ws)
        distance = depth_distance(render.image_depth, plain.image_depth, plain.image_alpha)
        terms = {
            "adversarial": config.adversarial * self.adversary.generator_term(fake, index),
            "depth": config.depth * distance.mean(),
            "shift": config.warp.size * size_penalty(shifts),
            "asymmetry": config.warp.asymmetry * asymmetry_penalty(shifts),
        }
        density = self.adversary.density_term(student, planes, index)
        if density is not None:
            terms["density"] = density
        log = {f"avatar_{name}": float(term.detach()) for name, term in terms.items()}
        return StepLoss(_AVATAR, torch.stack(list(terms.values())).sum(), log), fake

    def draw_real(self, index: int) -> Shown:
        """Return pictures of the set with their cameras, some of them mirrored."""
        context, config = self.context, self.context.config
        seed, rank = context.spec.seed, context.workers.rank
        batch = self.pictures.batch(index, config.batch, seed=seed, rank=rank)
        cameras = self.cameras.propose(batch)
        image = batch.images.to(cameras.device)
        if config.mirror:
            rng = step_rng(seed, rank, index, "mirror")
            chosen = torch.rand(len(image), generator=rng).to(image.device) < 0.5
            image = torch.where(chosen.view(-1, 1, 1, 1), image.flip(3), image)
            cameras = torch.where(chosen[:, None], mirror_camera(cameras), cameras)
        return self.adversary.real(image, cameras)

    def _view(
        self,
        generator: Generator,
        planes: Tensor,
        ws: Tensor,
        cameras: Tensor,
        *,
        final: bool = True,
    ) -> Rendering:
        side = self.context.config.neural_rendering_resolution
        return generator.render(
            planes, ws, cameras, neural_rendering_resolution=side, super_resolve=final
        )

    def notes(self) -> dict[str, Any]:
        """Return what the alignment of cameras found, and how strong the augmentation became."""
        augmentation = self.adversary.augmentation.probability
        return {"cameras": dict(self.cameras.report), "augmentation": augmentation}

    def _style(self, student: str, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> Style:
        context, trained = self.context, self.students[student]
        return DeformedStyle.between(
            context.bundle.generator,
            {name: tensors[f"{student}/{name}"] for name in trained.trained},
            self.warp,
            domain=context.spec.name,
            base_model_id=context.bundle.model_id,
            info=info,
        )

    def state_dict(self) -> dict[str, Any]:
        own = {"cameras": self.cameras.state_dict(), "adversary": self.adversary.state_dict()}
        return {**super().state_dict(), **own}
