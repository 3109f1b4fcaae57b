"""Settings of the stylegan_nada method; the published program's values are the defaults."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from itportrait.adapt.domain import DomainSpec
from itportrait.compared.settings import GuidedConfig
from itportrait.config import Settings

MINI: dict[str, Any] = {"layer_rows": 7, "choice_codes": 2}
"""For the embedded family: two thirds of its ten rows in a step, chosen on fewer renders."""


class NadaTerms(Settings):
    """What the directional loss reads, alone or as a part of a coupling."""

    batch: int = Field(default=2, ge=1)
    """Number of random codes in a step."""
    views: Literal["orbit", "frontal"] = "orbit"
    """Cameras of the renders. `orbit`: the distribution of the base model's training cameras.
    `frontal`: one frontal camera in every step, as in Next3D's stylization; nothing then guides the
    other views."""
    clip_weights: tuple[float, ...] | None = None
    """Weights of the bundle's image-text models, one each. None takes the weights that the
    bundle names, or 1 each (published: ViT-B/32 and ViT-B/16, 1 each)."""
    layer_rows: int | None = Field(default=None, ge=1)
    """Number of rows of the code whose layers are trained in a step. They are chosen anew in every
    step. None trains those of all rows, as the published command does (18 of 18 rows)."""
    choice_codes: int = Field(default=8, ge=1)
    """Number of random codes on which the rows of a step are chosen."""
    choice_steps: int = Field(default=1, ge=1)
    """Number of gradient steps on these codes; the rows that they move most are chosen."""
    choice_learning_rate: float = Field(default=0.01, gt=0)
    """Learning rate of these gradient steps. After a single one the choice does not depend on
    it."""
    direction_samples: int = Field(default=16, ge=1)
    """Number of random portraits whose mean a direction towards pictures starts from."""

    def unread_terms(self, spec: DomainSpec) -> tuple[str, ...]:
        """Return the terms that such a domain never reads."""
        choice = ("choice_codes", "choice_steps", "choice_learning_rate")
        return (
            *(choice if self.layer_rows is None else ()),
            *(("direction_samples",) if spec.uses_text else ()),
        )


class StyleganNadaConfig(NadaTerms, GuidedConfig):
    """Everything that the stylegan_nada method reads."""

    modes: ClassVar = frozenset({"text", "image"})
    looks_through: ClassVar = frozenset({"clip"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": {**MINI, "learning_rate": 6e-3}}

    learning_rate: float = Field(default=1.6e-3, gt=0)
    """Learning rate of Adam (published: 0.002 * 4 / 5)."""
    betas: tuple[float, float] = (0.0, 0.99199)
    """Decay rates of Adam's two averages (published: 0 and 0.99 to the power of 4 / 5)."""

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        return self.unread_terms(spec)
