"""Dr.3D: adapt a generator to a set of pictures whose cameras nobody knows.

Paper: "Dr.3D: Adapting 3D GANs to Artistic Drawings" (Jin et al., SIGGRAPH Asia 2022). Official
code, of which none is used: github.com/JinWonjoon/Dr.3D (MIT, over files of NVIDIA's license). As
published are the losses with their weights, the frozen first blocks, the residual maps of rank one,
Adam's figures, and the discriminator (`itportrait.adversarial`).

Differences, and our reading where paper and program disagree:
- The estimator learns. In the program its phase computes a loss and never calls backward. Here a
  copy of the bundle's encoder learns from renders whose pose is known, and every
  `poses.refresh` steps what it has learned proposes the cameras of the pictures.
- The depth prior is the base generator's. In the program the frozen generator is copied before the
  weights are loaded, so that it is an untrained one.
- The deformation code is computed from the portrait's code (`maps.py` says why), and all of its
  network is trained; in the program only the heads of the 32-pixel block are.
- Generator and estimator judge each other, and can drift off together. With `poses.anchor` the
  estimator learns from the base's renders as well, which do not move, from the cameras that
  the base was trained with: proposals that are off on the whole would else teach an offset.
- Pose is yaw and pitch; aligned pictures have no roll.
- Pixels without a surface are left out of the depth and the normal prior.
- Only the layers of the domain's `train` are trained; with `all` they are the published ones.
- The discriminator learns from the renders that the generator's loss has seen, instead of others.

The preset `mini` is made for 64 pictures and 80 steps, 40 seconds of one core. Longer runs win
style and lose poses; docs/decisions.md has figures.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.layers import trained_names
from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import FinetuningMethod, StepLoss, Student
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import MethodConfig
from itportrait.adversarial import Adversary, Shown
from itportrait.adversarial.augment import Change
from itportrait.compared.dr3d.config import Dr3dConfig
from itportrait.compared.dr3d.maps import ResidualMaps
from itportrait.compared.dr3d.poses import PoseEstimator
from itportrait.compared.dr3d.priors import depth_prior, normal_prior
from itportrait.generator import Generator, Rendering
from itportrait.generator.deformation import PREFIX, deformed
from itportrait.generator.rows import scale_rows
from itportrait.learning.seeds import step_rng
from itportrait.styles import DeformedStyle, Style

_DRAWN = "drawn"
"""Name of the trained copy."""


class Dr3dMethod(FinetuningMethod[Dr3dConfig]):
    """A generator, a discriminator and an estimator of poses, which learn in turns."""

    Config: ClassVar[type[MethodConfig]] = Dr3dConfig
    result = _DRAWN

    def __init__(
        self, context: MethodContext[Dr3dConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        config, seed = context.config, context.spec.seed
        self.poses = PoseEstimator(context.bundle, config.poses)
        self.adversary = Adversary(
            config.adversary,
            context.bundle,
            seed,
            context.workers,
            raw_side=config.neural_rendering_resolution,
        )
        self.real: Shown | None = None
        """Pictures of this step."""
        self.posed: list[Shown] = []
        """Renders of this step, whose poses are known: the generator's, and the base's where they
        are learned from."""
        if state is not None:
            self.poses.load_state_dict(state["poses"])
            self.adversary.load_state_dict(state["adversary"])

    def make_students(self) -> dict[str, Student]:
        context, config = self.context, self.context.config
        base, sides = context.bundle.generator, config.deformation.sides
        maps = ResidualMaps.of(base, sides, config.deformation.width, config.deformation.pace)
        maps.draw_weights(step_rng(context.spec.seed, 0, 0, "deformation"))
        copied = deformed(base, maps)
        student = Student(
            copied,
            context.spec.train,
            learning_rate=config.learning_rate,
            betas=config.betas,
            ema=config.ema,
            among=self.unfrozen(copied),
        )
        return {_DRAWN: student}

    def unfrozen(self, generator: Generator) -> Collection[str]:
        """Return the names of all parameters but those of the first blocks (FreezeG)."""
        rows = scale_rows(range(self.context.config.frozen_rows), generator.num_ws)
        layers = [prefix for row in rows for prefix in generator.row_layers[row]]
        blocks = tuple({f"{prefix.rsplit('.', 2)[0]}." for prefix in layers})
        names = trained_names(generator, self.context.spec.train)
        return [name for name in names if not name.startswith(blocks)]

    def step(self, index: int) -> dict[str, float]:
        config, workers = self.context.config, self.context.workers
        part = self.loss(index)
        if index >= config.warmup:
            self.students[_DRAWN].update(part, workers)
        real, fake = self.real, self.posed[0]
        assert real is not None  # `loss` has drawn them
        log = {**part.log, **self.adversary.discriminator_step(real, fake, index)}
        log["pose_error"] = self.learn_poses(index)
        self.poses.take_turns(index)
        self.real, self.posed = None, []
        return log

    def loss(self, index: int) -> StepLoss:
        config, context = self.context.config, self.context
        self.real = self.draw_real(index)
        cameras = self.real.cameras
        student, base = self.students[_DRAWN].generator, context.bundle.generator
        rng = step_rng(context.spec.seed, context.workers.rank, index, "dr3d")
        ws = random_codes(context.bundle, len(cameras), rng, config.truncation_psi)
        planes = student.planes(ws)
        render = self.view(student, planes, ws, cameras)
        fake = Shown.rendered(render, cameras)
        self.posed = [fake]
        with torch.no_grad():
            scenes = base.planes(ws)
            plain = self.view(base, scenes, ws, cameras, super_resolve=False)
            if config.poses.anchor:
                others = context.bundle.camera_prior.sample(len(ws), rng).to(ws.device)
                seen = self.view(base, scenes, ws, others)
                self.posed.append(Shown.rendered(seen, others))
        terms = {
            "adversarial": config.adversarial * self.adversary.generator_term(fake, index),
            "depth": config.depth * depth_prior(render, plain, config.depth_blur),
            "pose": config.pose * self.poses.error(fake.image, cameras),
            "normal": config.normal * normal_prior(render),
        }
        density = self.adversary.density_term(student, planes, index)
        if density is not None:
            terms["density"] = density
        log = {f"dr3d_{name}": float(term.detach()) for name, term in terms.items()}
        return StepLoss(_DRAWN, torch.stack(list(terms.values())).sum(), log)

    def draw_real(self, index: int) -> Shown:
        """Return pictures of the set, some of them mirrored, with the cameras proposed for them."""
        context, config = self.context, self.context.config
        seed, rank = context.spec.seed, context.workers.rank
        assert context.pictures is not None  # `accepts` names sets alone
        batch = context.pictures.batch(index, config.batch, seed=seed, rank=rank)
        image = batch.images.to(context.bundle.generator.device)
        if config.mirror:
            rng = step_rng(seed, rank, index, "mirror")
            chosen = torch.rand(len(image), generator=rng).to(image.device) < 0.5
            image = torch.where(chosen.view(-1, 1, 1, 1), image.flip(3), image)
        return self.adversary.real(image, self.poses.propose(image))

    def learn_poses(self, index: int) -> float:
        """Let the estimator learn from this step's renders, and return its error."""
        context, probability = self.context, self.context.config.poses.recolor
        rng = step_rng(context.spec.seed, context.workers.rank, index, "recolor")
        images: list[Tensor] = []
        for shown in self.posed:
            if probability:
                change = Change.draw(len(shown.cameras), probability, rng)
                shown = change.recolored(shown.detach())
            images.append(shown.image)
        cameras = torch.cat([shown.cameras for shown in self.posed])
        return self.poses.learn(torch.cat(images), cameras, context.workers)

    def view(
        self,
        generator: Generator,
        planes: Tensor,
        ws: Tensor,
        cameras: Tensor,
        *,
        super_resolve: bool = True,
    ) -> Rendering:
        """Render scenes as steps see them."""
        return generator.render(
            planes,
            ws,
            cameras,
            neural_rendering_resolution=self.context.config.neural_rendering_resolution,
            super_resolve=super_resolve,
        )

    def notes(self) -> dict[str, Any]:
        return {"augmentation": self.adversary.augmentation.probability}

    def _style(self, student: str, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> Style:
        context, trained = self.context, self.students[student]
        maps = trained.generator.get_submodule(PREFIX.removesuffix("."))
        assert isinstance(maps, ResidualMaps)
        return DeformedStyle.between(
            context.bundle.generator,
            {name: tensors[f"{student}/{name}"] for name in trained.trained},
            maps,
            domain=context.spec.name,
            base_model_id=context.bundle.model_id,
            info=info,
        )

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "poses": self.poses.state_dict(),
            "adversary": self.adversary.state_dict(),
        }
