"""Two styles as one: a style of portraits over another style, such as one of weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from torch import Tensor

from itportrait.config import is_section
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.generator import Generator
from itportrait.styles.file import StyleFile
from itportrait.styles.kinds import style_of
from itportrait.styles.portrait_style import PortraitStyle
from itportrait.styles.style import PreparedStyle, Style

if TYPE_CHECKING:
    from itportrait.bundle import Bundle

_PARTS = ("below", "above")
_STACK = "stack"
"""Entry of the file's info that holds the kind and the info of each part."""


@dataclass(frozen=True)
class StackedStyle(Style):
    """A style of portraits over another style.

    Args:
        domain: name of the style domain.
        base_model_id: `model_id` of the bundle that both belong to.
        below: what renders portraits; it fits nothing to them.
        above: what is fitted to these renders at full strength.
        info: JSON data kept with it.

    Raises:
        InvalidArgumentError: the style below fits something to portraits, too.
    """

    kind: ClassVar[str] = "itportrait-stacked-1"

    domain: str
    base_model_id: str
    below: Style
    above: PortraitStyle
    info: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if isinstance(self.below, PortraitStyle | StackedStyle):
            raise InvalidArgumentError(
                "below",
                expected="a style that fits nothing to portraits",
                actual=f"one of kind {self.below.kind!r}",
            )

    def prepare(self, base: Generator, strength: float = 1.0) -> PreparedStyle:
        shown = self.below.prepare(base, strength)
        full = shown if strength == 1 else self.below.prepare(base)
        return self.above.over(shown, strength, full=full)

    def with_models(self, bundle: "Bundle") -> Self:
        return replace(self, above=self.above.with_models(bundle))

    def tensors(self) -> Mapping[str, Tensor]:
        parts = {name: getattr(self, name).tensors() for name in _PARTS}
        return {f"{name}/{key}": value for name in _PARTS for key, value in parts[name].items()}

    def to_file(self) -> StyleFile:
        files = {name: getattr(self, name).to_file() for name in _PARTS}
        stack = {name: {"kind": file.kind, "info": file.info} for name, file in files.items()}
        info = {**self.info, _STACK: stack}
        return StyleFile(self.kind, self.domain, self.base_model_id, self.tensors(), info)

    @classmethod
    def of_file(cls, file: StyleFile) -> Self:
        info = dict(file.info)
        stack = info.pop(_STACK, None)
        below, above = (_part(file, stack, name) for name in _PARTS)
        if not isinstance(above, PortraitStyle):
            raise CheckpointError(f"not a stack: {above.kind!r} cannot lie over another style")
        try:
            return cls(file.domain, file.base_model_id, below, above, info)
        except InvalidArgumentError as error:
            raise CheckpointError(f"not a stack: {error}") from error


def _part(file: StyleFile, stack: object, name: str) -> Style:
    entry = stack.get(name) if is_section(stack) else None
    if not is_section(entry) or not is_section(entry.get("info")):
        raise CheckpointError(f"not a stack: its info says nothing of the style {name}")
    prefix = f"{name}/"
    tensors = {
        key.removeprefix(prefix): value
        for key, value in file.tensors.items()
        if key.startswith(prefix)
    }
    info = cast("dict[str, Any]", entry["info"])
    kind = str(entry.get("kind"))
    return style_of(StyleFile(kind, file.domain, file.base_model_id, tensors, info))
