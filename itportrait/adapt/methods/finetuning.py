"""The base of methods that train copies of the generator: students, and a loss for each step."""

import copy
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from itportrait.adapt.layers import trained_names
from itportrait.adapt.methods.base import AdaptationMethod, MethodContext
from itportrait.adapt.settings import FinetuningConfig, MethodConfig
from itportrait.adapt.workers import Workers
from itportrait.generator import Generator, Rendering
from itportrait.learning.averages import move_average
from itportrait.learning.copies import copied
from itportrait.styles import PreparedGenerator, PreparedStyle, Style, WeightStyle

C = TypeVar("C", bound=FinetuningConfig)


@dataclass(frozen=True)
class StepLoss:
    """A step's loss: which student it trains, and numbers for the log."""

    student: str
    loss: Tensor
    log: dict[str, float]
    trained: Collection[str] | None = None
    """Names of the parameters that the loss trains in this step; None means all of the student's.
    Parameters that no loss trains stay as they are."""
    further: tuple["StepLoss", ...] = ()
    """Losses of the same student that are added, each with parameters of its own."""


class Student:
    """A trained copy of the generator with its optimizer, and optionally an average of it.

    Args:
        base: generator to copy; not changed.
        train: preset of trained layers.
        learning_rate: of Adam.
        betas: of Adam.
        ema: decay of the average; 0 for none.
        among: names of the parameters that are trained if the preset has them; None means all.
    """

    def __init__(
        self,
        base: Generator,
        train: str,
        *,
        learning_rate: float,
        betas: tuple[float, float],
        ema: float = 0.0,
        among: Collection[str] | None = None,
    ) -> None:
        self.generator = copy.deepcopy(base).eval().requires_grad_(False)
        names = [n for n in trained_names(base, train) if among is None or n in among]
        parameters = dict(self.generator.named_parameters())
        self.trained: dict[str, nn.Parameter] = {name: parameters[name] for name in names}
        for parameter in self.trained.values():
            parameter.requires_grad_(True)
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(
            self.trained.values(), lr=learning_rate, betas=betas
        )
        self.ema = ema
        self._average = copied(self.trained) if ema else None

    def update(self, part: StepLoss, workers: Workers) -> None:
        """Take one optimization step; gradients are averaged over the workers in between.

        A parameter that no loss of the step trains gets no gradient, so Adam leaves it, and what
        it remembers of it, alone.
        """
        self.optimizer.zero_grad(set_to_none=True)
        moved: set[str] = set()
        for each in (part, *part.further):
            names = self.trained if each.trained is None else each.trained
            moved.update(names)
            chosen = None if each.trained is None else [self.trained[name] for name in names]
            torch.autograd.backward(each.loss, inputs=chosen)
        workers.average_gradients([p for name, p in self.trained.items() if name in moved])
        self.optimizer.step()
        if self._average is not None:
            move_average(self._average.values(), self.trained.values(), self.ema)

    @torch.no_grad()
    def follow(self, other: "Student") -> None:
        """Take over the weights of another student, and its average where there is one."""
        for name, value in self.trained.items():
            value.copy_(other.trained[name])
            if self._average is not None:
                self._average[name].copy_(other.weights()[name])

    def weights(self) -> dict[str, Tensor]:
        """Return the tensors that are scored and kept: the average where there is one."""
        if self._average is not None:
            return self._average
        return {name: value.detach() for name, value in self.trained.items()}

    def scored(self) -> Generator:
        """Return the generator with `weights`; a copy only where an average is kept."""
        return (
            self.generator if self._average is None else with_weights(self.generator, self._average)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return weights, optimizer and average, as copies."""
        return {
            "trained": copied(self.trained, "cpu"),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "average": None if self._average is None else copied(self._average, "cpu"),
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        for name, value in self.trained.items():
            value.copy_(state["trained"][name])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        if self._average is not None and state["average"] is not None:
            for name, value in self._average.items():
                value.copy_(state["average"][name])


@torch.no_grad()
def with_weights(base: Generator, weights: dict[str, Tensor]) -> Generator:
    """Return a frozen copy of a generator with some tensors replaced."""
    generator = copy.deepcopy(base).eval().requires_grad_(False)
    parameters = dict(generator.named_parameters())
    for name, value in weights.items():
        parameters[name].copy_(value)
    return generator


def training_render(
    config: FinetuningConfig, generator: Generator, ws: Tensor, cameras: Tensor
) -> Rendering:
    """Render codes as steps see them: at the resolution that the settings give for training.

    Args:
        config: settings of the method.
        generator: a copy, or the base.
        ws: `[N, num_ws, w_dim]`.
        cameras: `[N, 25]`.
    """
    resolution = config.neural_rendering_resolution
    return generator.synthesize(ws, cameras, neural_rendering_resolution=resolution)


class FinetuningMethod(AdaptationMethod[C]):
    """A method whose steps each train one of its students, by a loss.

    A derived class names its `result`, makes its students and gives the loss of a step.
    """

    Config: ClassVar[type[MethodConfig]] = FinetuningConfig
    result: str
    """Name of the student that is scored and published; those of the others come with it."""

    def __init__(self, context: MethodContext[C], state: Mapping[str, Any] | None = None) -> None:
        super().__init__(context, state)
        self.students = self.make_students()
        if state is not None:
            for name, student in self.students.items():
                student.load_state_dict(state["students"][name])

    @abstractmethod
    def make_students(self) -> dict[str, Student]:
        """Return the copies that are trained, by name; `student` makes one."""

    @abstractmethod
    def loss(self, index: int) -> StepLoss:
        """Return the loss of a step, which counts from 0."""

    def student(
        self,
        *,
        learning_rate: float,
        betas: tuple[float, float],
        among: Collection[str] | None = None,
    ) -> Student:
        """Return a copy of the base generator whose layers `spec.train` are trained by Adam.

        Args:
            learning_rate: of Adam.
            betas: of Adam.
            among: names of the parameters that are trained if the preset has them; None means all.
        """
        context = self.context
        return Student(
            context.bundle.generator,
            context.spec.train,
            learning_rate=learning_rate,
            betas=betas,
            ema=context.config.ema,
            among=among,
        )

    def step(self, index: int) -> dict[str, float]:
        part = self.loss(index)
        self.students[part.student].update(part, self.context.workers)
        return part.log

    def candidate(self) -> PreparedStyle:
        return PreparedGenerator(self.students[self.result].scored())

    def tensors(self) -> dict[str, Tensor]:
        return {
            f"{name}/{key}": value
            for name, student in self.students.items()
            for key, value in student.weights().items()
        }

    def styles(self, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> dict[str, Style]:
        names = [self.result, *(name for name in self.students if name != self.result)]
        return {name: self._style(name, tensors, {**info, "student": name}) for name in names}

    def _style(self, student: str, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> Style:
        context, base = self.context, self.context.bundle.generator
        weights = {name: tensors[f"{student}/{name}"] for name in self.students[student].trained}
        return WeightStyle.between(
            base,
            with_weights(base, weights),
            names=weights,
            domain=context.spec.name,
            base_model_id=context.bundle.model_id,
            info=info,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"students": {name: each.state_dict() for name, each in self.students.items()}}
