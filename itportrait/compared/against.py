"""Methods that train one copy of the generator on a set of pictures, against a discriminator.

The copy has a deformation, which is trained with it. A derived class gives the cameras of the
pictures, the deformation, and the priors that hold the copy to the base.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import FinetuningMethod, StepLoss, Student
from itportrait.adapt.sampling import random_codes
from itportrait.adversarial import Adversary, Shown
from itportrait.compared.settings import SetConfig
from itportrait.generator import Generator, Rendering
from itportrait.generator.deformation import PREFIX, Deformation, deformed
from itportrait.learning.seeds import step_rng
from itportrait.picture_sets import PictureBatch, PictureSet
from itportrait.styles import DeformedStyle, Style

C = TypeVar("C", bound=SetConfig)


@dataclass(frozen=True)
class Views:
    """What a step looks at: pictures of the set, and renders of random codes from their cameras.

    Args:
        real: the pictures, with the cameras proposed for them.
        ws: the codes, `[N, num_ws, w_dim]`.
        planes: the copy's scenes of the codes, with gradients.
        render: the copy's rendering, with gradients.
        fake: that rendering as the discriminator takes it.
        plain: the base's raw rendering.
        further: the base's renders that the method has asked for.
    """

    real: Shown
    ws: Tensor
    planes: Tensor
    render: Rendering
    fake: Shown
    plain: Rendering
    further: Sequence[Shown]


class AdversarialMethod(FinetuningMethod[C]):
    """A copy of the generator with a deformation, and a discriminator, which learn in turns."""

    NAME: ClassVar[str]
    """Begins the names of logged terms, and names the stream of random codes."""

    def __init__(self, context: MethodContext[C], state: Mapping[str, Any] | None = None) -> None:
        super().__init__(context, state)
        self.adversary = Adversary(
            context.config.adversary,
            context.bundle,
            context.spec.seed,
            context.workers,
            raw_side=context.config.neural_rendering_resolution,
        )
        if state is not None:
            self.adversary.load_state_dict(state["adversary"])

    @abstractmethod
    def make_deformation(self) -> Deformation:
        """Return the deformation as training begins with it."""

    @abstractmethod
    def among(self, generator: Generator) -> Collection[str]:
        """Return the names of the parameters that are trained if the preset has them.

        Args:
            generator: with the deformation.
        """

    @abstractmethod
    def proposed(self, batch: PictureBatch, image: Tensor, mirrored: Tensor) -> Tensor:
        """Return cameras `[N, 25]` for pictures as a step shows them.

        Args:
            batch: the pictures as they are in the set.
            image: the same ones on the generator's device, some of them mirrored.
            mirrored: `[N]`, whether each of them is.
        """

    @abstractmethod
    def priors(self, views: Views) -> dict[str, Tensor]:
        """Return the weighted terms of the loss beside the discriminator's, by name."""

    def further_views(self, scenes: Tensor, ws: Tensor, rng: torch.Generator) -> Sequence[Shown]:
        """Return renders of the base from other cameras, where the method learns from such.

        Args:
            scenes: the base's planes of the codes.
            ws: the codes, `[N, num_ws, w_dim]`.
            rng: the step's random numbers, behind those of the codes.
        """
        return ()

    def moves(self, index: int) -> bool:
        """Return whether the generator learns in a step; the discriminator always does."""
        return True

    def learn(self, views: Views, index: int) -> dict[str, float]:
        """Let what else the method trains learn from a step; return numbers for the log."""
        return {}

    @property
    def pictures(self) -> PictureSet:
        """The set that guides the domain."""
        assert self.context.pictures is not None  # `accepts` names sets alone
        return self.context.pictures

    @property
    def adapted(self) -> Student:
        """The trained copy."""
        return self.students[self.result]

    @property
    def deformation(self) -> Deformation:
        """The trained copy's deformation."""
        deformation = self.adapted.generator.get_submodule(PREFIX.removesuffix("."))
        assert isinstance(deformation, Deformation)
        return deformation

    def make_students(self) -> dict[str, Student]:
        context, config = self.context, self.context.config
        generator = deformed(context.bundle.generator, self.make_deformation())
        student = Student(
            generator,
            context.spec.train,
            learning_rate=config.learning_rate,
            betas=config.betas,
            ema=config.ema,
            among=self.among(generator),
        )
        return {self.result: student}

    def step(self, index: int) -> dict[str, float]:
        views = self.views(index)
        part = self.judged(views, index)
        if self.moves(index):
            self.adapted.update(part, self.context.workers)
        log = {**part.log, **self.adversary.discriminator_step(views.real, views.fake, index)}
        return {**log, **self.learn(views, index)}

    def loss(self, index: int) -> StepLoss:
        return self.judged(self.views(index), index)

    def views(self, index: int) -> Views:
        """Draw what a step looks at."""
        real, context = self.draw_real(index), self.context
        generator, base = self.adapted.generator, context.bundle.generator
        rng = step_rng(context.spec.seed, context.workers.rank, index, self.NAME)
        psi = context.config.truncation_psi
        ws = random_codes(context.bundle, len(real.cameras), rng, psi)
        planes = generator.planes(ws)
        render = self.render(generator, planes, ws, real.cameras)
        with torch.no_grad():
            scenes = base.planes(ws)
            plain = self.render(base, scenes, ws, real.cameras, super_resolve=False)
            further = self.further_views(scenes, ws, rng)
        fake = Shown.rendered(render, real.cameras)
        return Views(real, ws, planes, render, fake, plain, further)

    def draw_real(self, index: int) -> Shown:
        """Return a step's pictures, some of them mirrored, with the cameras proposed for them."""
        context, config = self.context, self.context.config
        seed, rank = context.spec.seed, context.workers.rank
        batch = self.pictures.batch(index, config.batch, seed=seed, rank=rank)
        image = batch.images.to(context.bundle.generator.device)
        mirrored = torch.zeros(len(image), dtype=torch.bool, device=image.device)
        if config.mirror:
            rng = step_rng(seed, rank, index, "mirror")
            mirrored = torch.rand(len(image), generator=rng).to(image.device) < 0.5
            image = torch.where(mirrored.view(-1, 1, 1, 1), image.flip(3), image)
        return self.adversary.real(image, self.proposed(batch, image, mirrored))

    def judged(self, views: Views, index: int) -> StepLoss:
        """Return the generator's loss: the discriminator's verdict, and what holds it to the base.

        Args:
            views: of the step.
            index: number of the step, from 0.
        """
        verdict = self.adversary.generator_term(views.fake, index)
        terms = {"adversarial": self.context.config.adversarial * verdict, **self.priors(views)}
        density = self.adversary.density_term(self.adapted.generator, views.planes, index)
        if density is not None:
            terms["density"] = density
        log = {f"{self.NAME}_{name}": float(term.detach()) for name, term in terms.items()}
        return StepLoss(self.result, torch.stack(list(terms.values())).sum(), log)

    def render(
        self,
        generator: Generator,
        planes: Tensor,
        ws: Tensor,
        cameras: Tensor,
        *,
        super_resolve: bool = True,
    ) -> Rendering:
        """Render scenes as steps see them.

        Args:
            generator: the copy, or the base.
            planes: its scenes of the codes.
            ws: `[N, num_ws, w_dim]`.
            cameras: `[N, 25]`.
            super_resolve: whether the final image is wanted too.
        """
        return generator.render(
            planes,
            ws,
            cameras,
            neural_rendering_resolution=self.context.config.neural_rendering_resolution,
            super_resolve=super_resolve,
        )

    def notes(self) -> dict[str, Any]:
        """Return how strong the augmentation became."""
        return {"augmentation": self.adversary.augmentation.probability}

    def _style(self, student: str, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> Style:
        context, trained = self.context, self.students[student].trained
        return DeformedStyle.between(
            context.bundle.generator,
            {name: tensors[f"{student}/{name}"] for name in trained},
            self.deformation,
            domain=context.spec.name,
            base_model_id=context.bundle.model_id,
            info=info,
        )

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "adversary": self.adversary.state_dict()}
