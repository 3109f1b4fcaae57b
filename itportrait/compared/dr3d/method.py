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
  the base was trained with: proposals that are off on the whole would else teach an offset. They
  are the moving average's, read from pictures and their mirror images, and their mean pitch over
  the set stays what the encoder read at first (`poses.average`, `mirror`, `level`).
- Pose is yaw and pitch; aligned pictures have no roll.
- Pixels without a surface are left out of the depth and the normal prior.
- Only the layers of the domain's `train` are trained; with `all` they are the published ones.
- The discriminator learns from the renders that the generator's loss has seen, instead of others.

The preset `mini` is made for 64 pictures and 80 steps, 40 seconds of one core. Longer runs win
style and lose poses; docs/decisions.md has figures.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from itportrait.adapt.layers import trained_names
from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.settings import MethodConfig
from itportrait.adversarial import Shown
from itportrait.adversarial.augment import Change
from itportrait.compared.against import AdversarialMethod, Views
from itportrait.compared.dr3d.config import Dr3dConfig
from itportrait.compared.dr3d.maps import ResidualMaps
from itportrait.compared.dr3d.poses import PoseEstimator
from itportrait.compared.dr3d.priors import depth_prior, normal_prior
from itportrait.generator import Generator
from itportrait.generator.rows import scale_rows
from itportrait.learning.seeds import step_rng
from itportrait.picture_sets import PictureBatch


class Dr3dMethod(AdversarialMethod[Dr3dConfig]):
    """A generator, a discriminator and an estimator of poses, which learn in turns."""

    Config: ClassVar[type[MethodConfig]] = Dr3dConfig
    NAME = "dr3d"
    result = "drawn"

    def __init__(
        self, context: MethodContext[Dr3dConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        poses = context.config.poses
        self.poses = PoseEstimator(context.bundle, poses, self.pictures, context.spec.seed)
        if state is not None:
            self.poses.load_state_dict(state["poses"])

    def make_deformation(self) -> ResidualMaps:
        terms, base = self.context.config.deformation, self.context.bundle.generator
        maps = ResidualMaps.of(base, terms.sides, terms.width, terms.pace)
        maps.draw_weights(step_rng(self.context.spec.seed, 0, 0, "deformation"))
        return maps

    def among(self, generator: Generator) -> Collection[str]:
        """Return the names of all parameters but those of the first blocks (FreezeG)."""
        rows = scale_rows(range(self.context.config.frozen_rows), generator.num_ws)
        layers = [prefix for row in rows for prefix in generator.row_layers[row]]
        blocks = tuple({f"{prefix.rsplit('.', 2)[0]}." for prefix in layers})
        names = trained_names(generator, self.context.spec.train)
        return [name for name in names if not name.startswith(blocks)]

    def proposed(self, batch: PictureBatch, image: Tensor, mirrored: Tensor) -> Tensor:
        return self.poses.propose(image)

    def moves(self, index: int) -> bool:
        return index >= self.context.config.warmup

    def further_views(self, scenes: Tensor, ws: Tensor, rng: torch.Generator) -> Sequence[Shown]:
        """Return the base's renders that anchor the estimator, from cameras of its prior."""
        if not self.context.config.poses.anchor:
            return ()
        bundle = self.context.bundle
        cameras = bundle.camera_prior.sample(len(ws), rng).to(ws.device)
        return (Shown.rendered(self.render(bundle.generator, scenes, ws, cameras), cameras),)

    def priors(self, views: Views) -> dict[str, Tensor]:
        config, fake = self.context.config, views.fake
        return {
            "depth": config.depth * depth_prior(views.render, views.plain, config.depth_blur),
            "pose": config.pose * self.poses.error(fake.image, fake.cameras),
            "normal": config.normal * normal_prior(views.render),
        }

    def learn(self, views: Views, index: int) -> dict[str, float]:
        """Let the estimator learn from this step's renders, and propose where its turn has come."""
        error = self.learn_poses(views, index)
        self.poses.take_turns(index)
        return {"pose_error": error}

    def learn_poses(self, views: Views, index: int) -> float:
        """Let the estimator learn from this step's renders, and return its error."""
        context, probability = self.context, self.context.config.poses.recolor
        rng = step_rng(context.spec.seed, context.workers.rank, index, "recolor")
        posed = [views.fake, *views.further]
        images: list[Tensor] = []
        for shown in posed:
            if probability:
                change = Change.draw(len(shown.cameras), probability, rng)
                shown = change.recolored(shown.detach())
            images.append(shown.image)
        cameras = torch.cat([shown.cameras for shown in posed])
        return self.poses.learn(torch.cat(images), cameras, context.workers)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "poses": self.poses.state_dict()}
