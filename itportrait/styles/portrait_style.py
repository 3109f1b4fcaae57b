"""Styles that are fitted to each portrait when it is stylized, over whatever renders portraits."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Generator
from itportrait.styles.generators import PreparedGenerator
from itportrait.styles.style import PreparedStyle, Style

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


@dataclass(frozen=True, kw_only=True)
class PortraitStyle(Style):
    """A style that is fitted to each portrait, over the base generator or over another style.

    A derived class says how it lies over what renders portraits; `StackedStyle` lays it over
    another style. What is fitted does not depend on the strength: `BoundStyle.fitted` of one
    strength serves all.

    Args:
        models: those that guide the fit. None: portraits can be rendered with what was fitted to
            them before, and nothing is fitted.
    """

    domain: str
    base_model_id: str
    info: dict[str, Any] = field(default_factory=dict[str, Any])
    models: "Bundle | None" = field(default=None, repr=False, compare=False)

    @abstractmethod
    def over(self, shown: PreparedStyle, strength: float, *, full: PreparedStyle) -> PreparedStyle:
        """Lay the style over what renders portraits.

        Args:
            shown: what renders them at the strength.
            strength: 0 gives `shown` as it is, 1 the style.
            full: what renders them at strength 1, which portraits are fitted to.
        """

    def prepare(self, base: Generator, strength: float = 1.0) -> PreparedStyle:
        plain = PreparedGenerator(base)
        return self.over(plain, strength, full=plain)

    def with_models(self, bundle: "Bundle") -> Self:
        return replace(self, models=bundle)

    def fitting_models(self) -> "Bundle":
        """Return the models that guide the fit.

        Raises:
            InvalidArgumentError: the style was not given any.
        """
        if self.models is None:
            raise InvalidArgumentError(
                f"style {self.domain!r}",
                expected="with the models of its bundle, since it is fitted to each portrait",
                actual="none",
                remedy="call style.with_models(bundle), or give bind() what was fitted before",
            )
        return self.models
