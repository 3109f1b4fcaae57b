"""Words edit what pictures have adapted: the coupling jojogan+styleclip.

Paper: ITportrait (arXiv 2304.04364) names the coupling and publishes no program for it. Our
reading: a copy of the generator is adapted to the pictures by jojogan alone, and the words then
edit what it draws, by either form of styleclip. The shift of form `directions` is that of the base
generator's relevances; it adds to the copy's weights exactly, so the result is one style of
weights. In form `optimization` portraits' codes are fitted over the copy. A run then scores its
steps without the edit, since every score would fit all of its portraits anew; the kept step is
judged with it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

from torch import Tensor

from itportrait.adapt.methods.base import MethodContext
from itportrait.adapt.settings import MethodConfig
from itportrait.compared.coupled.config import CoupledConfig, JojoganStyleclipConfig
from itportrait.compared.coupled.method import CoupledMethod
from itportrait.compared.jojogan.method import MixingGuide
from itportrait.editing.styleclip.method import Edit
from itportrait.styles import (
    LatentStyle,
    PortraitStyle,
    PreparedGenerator,
    PreparedStyle,
    StackedStyle,
    Style,
    WeightStyle,
)

_EDIT = "styleclip/"


class JojoganStyleclipMethod(CoupledMethod):
    """The feature loss on one copy, and an edit towards words over it."""

    Config: ClassVar[type[MethodConfig]] = JojoganStyleclipConfig
    GUIDES: ClassVar = {"jojogan": MixingGuide}

    def __init__(
        self, context: MethodContext[CoupledConfig], state: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context, state)
        terms = cast("JojoganStyleclipConfig", context.config).styleclip
        self.edit = Edit(context, terms, state and state["edit"])

    def candidate(self) -> PreparedStyle:
        adapted = self.students[self.result].scored()
        edit = self.edit.style(self.edit.tensors, {})
        return PreparedGenerator(edit.apply(adapted) if isinstance(edit, LatentStyle) else adapted)

    def tensors(self) -> dict[str, Tensor]:
        edit = {f"{_EDIT}{name}": value for name, value in self.edit.tensors.items()}
        return {**super().tensors(), **edit}

    def styles(self, tensors: Mapping[str, Tensor], info: dict[str, Any]) -> dict[str, Style]:
        kept = {k.removeprefix(_EDIT): v for k, v in tensors.items() if k.startswith(_EDIT)}
        edit = self.edit.style(kept, {})
        result, *others = super().styles(tensors, info).items()
        return dict([(result[0], over(result[1], edit)), *others])

    def notes(self) -> dict[str, Any]:
        return {**super().notes(), **self.edit.notes()}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "edit": self.edit.state_dict()}


def over(below: Style, edit: Style) -> Style:
    """Return a style of weights with an edit over it."""
    assert isinstance(below, WeightStyle)  # what methods that train copies make
    if isinstance(edit, LatentStyle):
        delta = dict(below.delta)
        for name, shift in edit.shift.items():
            change = shift.float().cpu()
            delta[name] = delta[name] + change if name in delta else change
        return replace(below, delta=delta)
    assert isinstance(edit, PortraitStyle)  # the only other form
    return StackedStyle(below.domain, below.base_model_id, below, edit, dict(below.info))
