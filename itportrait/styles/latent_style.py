"""A style of edits: what it adds to the styles of convolutions, whoever the portrait is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from torch import Tensor

from itportrait.generator import Generator
from itportrait.styles.file import StyleFile
from itportrait.styles.generators import PreparedGenerator, changed
from itportrait.styles.style import PreparedStyle, Style


@dataclass(frozen=True)
class LatentStyle(Style):
    """A shift in style space, the outputs of a generator's affine maps.

    To add to an output is to add to the map's bias, so the shift is kept, and applied, as that. It
    is no style of weights all the same: the generator draws as it did, only other codes. So a tuned
    portrait keeps the whole of its own difference at every strength.

    Args:
        domain: name of the style domain.
        base_model_id: `model_id` of the bundle that it belongs to.
        shift: name of a map's bias -> what is added to its outputs at strength 1.
        info: JSON data kept with it: specification, words, metrics.
    """

    kind: ClassVar[str] = "itportrait-latent-1"

    domain: str
    base_model_id: str
    shift: Mapping[str, Tensor] = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict[str, Any])

    def apply(self, generator: Generator, strength: float = 1.0) -> Generator:
        """Return a copy of a generator that draws every code with the shift.

        Args:
            generator: the base, or one whose weights another style has changed. It is not changed.
            strength: factor on the shift.

        Raises:
            InvalidArgumentError: the generator has no such maps.
        """
        remedy = f"style {self.domain!r} belongs to base model {self.base_model_id}"
        return changed(generator, self.shift, strength, remedy=remedy)

    def prepare(self, base: Generator, strength: float = 1.0) -> PreparedStyle:
        return PreparedGenerator(self.apply(base, strength))

    @classmethod
    def prepare_blend(cls, base: Generator, parts: Sequence[tuple[Style, float]]) -> PreparedStyle:
        """Add the styles' shifts."""
        generator = base
        for style, strength in parts:
            assert isinstance(style, cls)  # `style.prepare_blend` passes no other kind
            generator = style.apply(generator, strength)
        return PreparedGenerator(generator)

    def tensors(self) -> Mapping[str, Tensor]:
        return self.shift

    @classmethod
    def of_file(cls, file: StyleFile) -> Self:
        return cls(file.domain, file.base_model_id, file.tensors, file.info)
