"""Methods whose losses can be coupled: one trained copy of the generator, and guides that draw it.

A guide is what is characteristic of such a method. A method has one guide; a coupling of methods
has the guides of its parts, which train one copy together.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.methods.finetuning import FinetuningMethod, StepLoss, Student
from itportrait.adapt.settings import FinetuningConfig
from itportrait.compared.settings import GuidedConfig
from itportrait.config import Settings

T = TypeVar("T", bound=Settings)
C = TypeVar("C", bound=GuidedConfig)

ADAPTED = "adapted"
"""Name of the trained copy."""


class Guide(ABC, Generic[T]):
    """A loss that draws a copy of the generator to a domain's style.

    Args:
        context: what the method works with; its settings give what all guides of a run share.
        terms: settings of this guide.
        state: `state_dict` of a former run, which goes on; None begins.
    """

    def __init__(
        self,
        context: MethodContext[FinetuningConfig],
        terms: T,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.context, self.terms = context, terms

    @abstractmethod
    def pull(self, student: Student, index: int) -> StepLoss:
        """Return the loss of a step, which counts from 0, of the copy `ADAPTED`."""

    def notes(self) -> dict[str, Any]:
        """Return JSON data about the run that is kept with its styles."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {}


class GuidedMethod(FinetuningMethod[C]):
    """A method of one trained copy; a derived class says what guides it.

    Each guide has a name and a weight, and random numbers of its own, so that a part of a coupling
    draws what it draws alone.
    """

    result = ADAPTED
    GUIDES: ClassVar[Mapping[str, type[Guide[Any]]]]
    """The guides by name; `terms` and `weight` give each its settings and its weight."""

    def __init__(self, context: MethodContext[C], state: Mapping[str, Any] | None = None) -> None:
        super().__init__(context, state)
        self.guides: dict[str, Guide[Any]] = {
            name: guide(context, self.terms(name), None if state is None else state["guides"][name])
            for name, guide in self.GUIDES.items()
        }

    def make_students(self) -> dict[str, Student]:
        config = self.context.config
        student = self.student(
            learning_rate=config.learning_rate, betas=config.betas, among=self.among()
        )
        return {ADAPTED: student}

    def among(self) -> Collection[str] | None:
        """Return the names of the parameters that are trained if the preset has them.

        None means all of the preset's.
        """
        return None

    def terms(self, guide: str) -> Settings:
        """Return the settings of a guide: those of the method itself, where it has one guide."""
        return self.context.config

    def weight(self, guide: str) -> float:
        """Return the factor on a guide's loss."""
        return 1.0

    def loss(self, index: int) -> StepLoss:
        student = self.students[ADAPTED]
        pulls = {name: guide.pull(student, index) for name, guide in self.guides.items()}
        first, *others = (
            replace(pull, loss=self.weight(name) * pull.loss) for name, pull in pulls.items()
        )
        log = {key: value for pull in pulls.values() for key, value in pull.log.items()}
        return replace(first, log=log, further=tuple(others))

    def notes(self) -> dict[str, Any]:
        return {key: value for each in self.guides.values() for key, value in each.notes().items()}

    def state_dict(self) -> dict[str, Any]:
        guides = {name: guide.state_dict() for name, guide in self.guides.items()}
        return {**super().state_dict(), "guides": guides}
