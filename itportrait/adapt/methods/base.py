"""What an adaptation method is: steps, a candidate that is scored, and styles of what was kept."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor

from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.references import Reference
from itportrait.adapt.settings import MethodConfig
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.picture_sets import PictureSet
from itportrait.styles import PreparedStyle, Style

C = TypeVar("C", bound=MethodConfig)
Read = TypeVar("Read", bound=MethodConfig, covariant=True)


@dataclass(frozen=True)
class MethodContext(Generic[Read]):
    """What a method works with.

    Args:
        bundle: the frozen base and the models that guide.
        spec: the domain.
        config: the method's settings, of its class `Config`, with the domain's options laid over.
        references: aligned style images; none where words alone guide.
        workers: those that train the domain together; each draws its own codes and cameras.
        pictures: the set that guides the method, or None.
    """

    bundle: Bundle
    spec: DomainSpec
    config: Read
    references: Sequence[Reference]
    workers: Workers = field(default_factory=Workers)
    pictures: PictureSet | None = None


class AdaptationMethod(ABC, Generic[C]):
    """A way to adapt a base model to a domain; one file or folder a method, registered by name.

    A run makes the method, calls `step` for 0, 1, ..., scores its `candidate` at intervals, keeps a
    copy of its `tensors` at the best of them, and publishes the `styles` of what was kept.
    Randomness comes from `itportrait.learning.seeds.step_rng(seed, rank, step)`, never from
    history, so that a resumed run draws what it would have drawn.

    Args:
        context: what the method works with.
        state: `state_dict` of a former run, which goes on; None begins.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    """The method's settings, and what may guide it."""
    VERSION: ClassVar[int] = 1
    """Version of the method's code. It is raised when results change; the method's domains are then
    made anew."""

    def __init__(self, context: MethodContext[C], state: Mapping[str, Any] | None = None) -> None:
        self.context = context

    @abstractmethod
    def step(self, index: int) -> dict[str, float]:
        """Do one step and return terms for the log.

        Backward passes and optimizers are the method's own; with several workers it averages its
        gradients by `context.workers`, so that all of them stay alike.

        Args:
            index: number of the step, from 0.
        """

    @abstractmethod
    def candidate(self) -> PreparedStyle:
        """Return the style as it is now, over the base; it is scored and then forgotten."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return what makes the styles; a copy is kept where the candidate scores best."""

    @abstractmethod
    def styles(self, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> dict[str, Style]:
        """Return the styles of kept tensors by name, the result first.

        Args:
            tensors: what `tensors` returned at the kept step.
            info: JSON data that each style keeps; `info` of a style is its own copy.
        """

    def notes(self) -> dict[str, Any]:
        """Return JSON data about the run that is kept with its styles and in the bank."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: tensors (copies), numbers, texts, lists and dicts."""
        return {}
