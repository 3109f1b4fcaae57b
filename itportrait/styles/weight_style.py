"""A style of weights: what it changes in the trained layers, as a difference from the base."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from torch import Tensor

from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.generator import Generator
from itportrait.styles.file import StyleFile
from itportrait.styles.generators import PreparedGenerator, changed, differences
from itportrait.styles.style import PreparedStyle, Style


@dataclass(frozen=True)
class WeightStyle(Style):
    """Differences of trained tensors, with the base model they belong to.

    Args:
        domain: name of the style domain.
        base_model_id: `model_id` of the bundle it was trained on.
        delta: parameter name -> difference, float32.
        info: JSON data kept with it: specification, chosen step, metrics, pair report.
    """

    kind: ClassVar[str] = "itportrait-adapter-1"

    domain: str
    base_model_id: str
    delta: Mapping[str, Tensor] = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def between(
        cls,
        base: Generator,
        adapted: Generator,
        *,
        names: Iterable[str],
        domain: str,
        base_model_id: str,
        info: dict[str, Any] | None = None,
    ) -> Self:
        """Take the difference of two generators over some of their tensors.

        Args:
            base: the generator as it was.
            adapted: the same one after training.
            names: parameters that were trained.
            domain: name of the style domain.
            base_model_id: `model_id` of the base generator's bundle.
            info: JSON data kept with it.
        """
        new = dict(adapted.named_parameters())
        delta = differences(base, {name: new[name] for name in names})
        return cls(domain, base_model_id, delta, dict(info or {}))

    def apply(
        self, generator: Generator, strength: float = 1.0, *, model_id: str | None = None
    ) -> Generator:
        """Return a copy of the base generator in this style.

        Args:
            generator: the base; it is not changed.
            strength: 0 gives the base, 1 the adapted generator; past 1 exaggerates.
            model_id: the base's id, checked where given.

        Raises:
            InvalidArgumentError: another base model, or tensors that do not fit.
        """
        if model_id is not None:
            self.check_base(model_id)
        remedy = f"style {self.domain!r} belongs to base model {self.base_model_id}"
        return changed(generator, self.delta, strength, remedy=remedy)

    def prepare(self, base: Generator, strength: float = 1.0) -> PreparedStyle:
        return PreparedGenerator(self.apply(base, strength), style=strength)

    @classmethod
    def prepare_blend(cls, base: Generator, parts: Sequence[tuple[Style, float]]) -> PreparedStyle:
        """Add the styles' differences to a base generator: the way between them is straight."""
        generator = base
        for style, strength in parts:
            assert isinstance(style, cls)  # `style.prepare_blend` passes no other kind
            generator = style.apply(generator, strength)
        return PreparedGenerator(generator, style=sum(strength for _, strength in parts))

    def scaled(self, strength: float) -> Self:
        """Return the style whose strength 1 is this one's `strength`."""
        return replace(self, delta={name: delta * strength for name, delta in self.delta.items()})

    def tensors(self) -> Mapping[str, Tensor]:
        return self.delta

    @classmethod
    def of_file(cls, file: StyleFile) -> Self:
        refuse_whole_numbers(file)
        return cls(file.domain, file.base_model_id, file.tensors, file.info)


def refuse_whole_numbers(file: StyleFile) -> None:
    """Refuse a file whose tensors cannot be weights.

    Raises:
        CheckpointError: one of them holds whole numbers; names it.
    """
    odd = [name for name, t in file.tensors.items() if not t.dtype.is_floating_point]
    if odd:
        raise CheckpointError(f"not a style of weights: {odd[0]} holds whole numbers")


def mix_weight_styles(
    parts: Sequence[tuple[WeightStyle, float]], *, domain: str | None = None
) -> WeightStyle:
    """Blend domains: the weighted sum of their differences (a tensor that one lacks counts as 0).

    Args:
        parts: styles of one base model, each with its weight.
        domain: name of the blend; default, the names and weights.

    Raises:
        InvalidArgumentError: no part, or parts of different base models.
    """
    if not parts:
        raise InvalidArgumentError("parts", expected="at least one style", actual="none")
    base = parts[0][0].base_model_id
    for style, _ in parts:
        style.check_base(base)
    delta: dict[str, Tensor] = {}
    for style, weight in parts:
        for name, change in style.delta.items():
            delta[name] = delta[name] + weight * change if name in delta else weight * change
    name = domain or "+".join(f"{weight:g}*{style.domain}" for style, weight in parts)
    info = {"mix": [{"domain": style.domain, "weight": weight} for style, weight in parts]}
    return WeightStyle(name, base, delta, info)
