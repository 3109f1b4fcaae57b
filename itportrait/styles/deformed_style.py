"""A style of weights and of a small network that deforms every portrait's scene as it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from torch import Tensor

from itportrait.config import is_section
from itportrait.errors import CheckpointError, UnknownNameError
from itportrait.generator import Generator
from itportrait.generator.deformation import PREFIX, Deformation, Together, deformed
from itportrait.learning.copies import copied
from itportrait.registry import Registry
from itportrait.styles.file import StyleFile
from itportrait.styles.generators import PreparedGenerator, changed, differences
from itportrait.styles.style import PreparedStyle, Style
from itportrait.styles.weight_style import refuse_whole_numbers
from itportrait.weights.networks import copy_weights, find_misfits, shapes_of

DEFORMATIONS: Registry[type[Deformation]] = Registry(
    "deformation",
    group="itportrait.deformations",
    own={
        "front_warp": "itportrait.compared.avatargan3d.warp:FrontWarp",
        "residual_maps": "itportrait.compared.dr3d.maps:ResidualMaps",
    },
)
"""Kinds of deformation by the name that a style's file has."""
_KEY = "deformation"


@dataclass(frozen=True)
class DeformedStyle(Style):
    """Differences of trained tensors, and a deformation that runs wherever the style is rendered.

    Strength scales both. The settings of the deformation stand in `info` under `deformation`.

    Args:
        domain: name of the style domain.
        base_model_id: `model_id` of the bundle it was trained on.
        delta: parameter name -> difference from the base, float32.
        deformation: the deformation's parameter name -> tensor.
        info: JSON data kept with it: specification, chosen step, metrics.
    """

    kind: ClassVar[str] = "itportrait-deformed-1"

    domain: str
    base_model_id: str
    delta: Mapping[str, Tensor] = field(repr=False)
    deformation: Mapping[str, Tensor] = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def between(
        cls,
        base: Generator,
        weights: Mapping[str, Tensor],
        deformation: Deformation,
        *,
        domain: str,
        base_model_id: str,
        info: dict[str, Any] | None = None,
    ) -> Self:
        """Take what a trained copy differs by from the base, and its deformation.

        Args:
            base: the generator as it was.
            weights: trained tensors by their name in the copy, those of the deformation among them.
            deformation: of the trained kind and sizes; tensors that are not in `weights` are taken
                from it.
            domain: name of the style domain.
            base_model_id: `model_id` of the base generator's bundle.
            info: JSON data kept with it.
        """
        plain = {name: value for name, value in weights.items() if not name.startswith(PREFIX)}
        delta = differences(base, plain)
        own = {name: value.detach().cpu() for name, value in deformation.state_dict().items()}
        trained = {name: value for name, value in weights.items() if name.startswith(PREFIX)}
        own |= {name.removeprefix(PREFIX): v for name, v in copied(trained, "cpu").items()}
        kept = {"name": deformation.name, "settings": deformation.settings()}
        return cls(domain, base_model_id, delta, own, {**(info or {}), _KEY: kept})

    def make_deformation(self, strength: float) -> Deformation:
        """Return the deformation at a strength.

        Raises:
            CheckpointError: of a kind that nobody has registered, or tensors that do not fit it.
        """
        kept = self.info.get(_KEY)
        settings = kept.get("settings") if is_section(kept) else None
        if not is_section(kept) or not is_section(settings):
            raise CheckpointError(f"style {self.domain!r} does not say what its deformation is")
        try:
            kind = DEFORMATIONS.get(str(kept.get("name")))
        except UnknownNameError as error:
            raise CheckpointError(
                f"{error}; install the package that style {self.domain!r} was made with"
            ) from error
        misfits = find_misfits(shapes_of(lambda: kind(**settings)), self.deformation)
        if misfits:
            raise CheckpointError(f"the deformation of style {self.domain!r} is damaged; {misfits}")
        made = kind(**settings)
        copy_weights(made.state_dict(), self.deformation)
        made.strength = strength
        return made.eval().requires_grad_(False)

    def apply(self, generator: Generator, strength: float = 1.0) -> Generator:
        """Return a copy of the base generator in this style.

        Args:
            generator: the base; it is not changed.
            strength: 0 gives the base, 1 the adapted generator; past 1 exaggerates.

        Raises:
            InvalidArgumentError: tensors that do not fit, or a family without tri-planes.
            CheckpointError: the deformation is damaged, or of an unknown kind.
        """
        return deformed(self._weights(generator, strength), self.make_deformation(strength))

    def prepare(self, base: Generator, strength: float = 1.0) -> PreparedStyle:
        return PreparedGenerator(self.apply(base, strength), style=strength)

    @classmethod
    def prepare_blend(cls, base: Generator, parts: Sequence[tuple[Style, float]]) -> PreparedStyle:
        """Add the styles' differences, and let their deformations act together."""
        generator, acting = base, list[Deformation]()
        for style, strength in parts:
            assert isinstance(style, cls)  # `style.prepare_blend` passes no other kind
            generator = style._weights(generator, strength)
            acting.append(style.make_deformation(strength))
        whole = sum(strength for _, strength in parts)
        return PreparedGenerator(deformed(generator, Together(acting)), style=whole)

    def _weights(self, generator: Generator, strength: float) -> Generator:
        remedy = f"style {self.domain!r} belongs to base model {self.base_model_id}"
        return changed(generator, self.delta, strength, remedy=remedy)

    def tensors(self) -> Mapping[str, Tensor]:
        return {**self.delta, **{PREFIX + name: t for name, t in self.deformation.items()}}

    @classmethod
    def of_file(cls, file: StyleFile) -> Self:
        refuse_whole_numbers(file)
        own = {
            name.removeprefix(PREFIX): tensor
            for name, tensor in file.tensors.items()
            if name.startswith(PREFIX)
        }
        delta = {name: t for name, t in file.tensors.items() if not name.startswith(PREFIX)}
        return cls(file.domain, file.base_model_id, delta, own, file.info)
