"""What a style is: how a base generator's portraits look in a domain, at any strength.

A style is read from its file once, prepared once for a base generator and a strength, and bound to
each batch of portraits, which are then rendered from any camera:

    style = read_style(data)
    prepared = style.prepare(bundle.generator, strength=1.0)
    rendering = prepared.bind(codes).render(codes.cameras)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor

from itportrait.errors import CheckpointError, InvalidArgumentError, ItportraitError
from itportrait.generator import Generator, Rendering
from itportrait.styles.codes import Codes
from itportrait.styles.file import StyleFile, read_local
from itportrait.weights.windows import fence

if TYPE_CHECKING:
    from itportrait.bundle import Bundle

_NO_DENSITY = (
    "this style makes pictures without a density, so that no mesh can be made of them; choose "
    "another domain, or leave meshes out of what is asked for"
)


class NoDensityError(ItportraitError):
    """A mesh was asked of a style whose pictures are made without a density."""

    def __init__(self, message: str = _NO_DENSITY) -> None:
        super().__init__(message)


@dataclass(frozen=True)
class Volume:
    """The cube that a density fills.

    Args:
        side: its length in world units; the cube's middle is the world's origin.
        gain: the density per world unit is `gain * softplus(sigma - 1)`.
    """

    side: float
    gain: float


class BoundStyle(ABC):
    """A batch of portraits in a style; what does not depend on the camera is computed already."""

    codes: Codes
    """The portraits."""
    volume: Volume | None = None
    """What `density` fills; None for a style that has no density, and so gives no mesh."""
    fitted: tuple[bytes, ...] | None = None
    """What the style has fitted to each portrait, which `PreparedStyle.bind` takes in place of
    fitting again; films of strength hand it on. None for a style that fits nothing to portraits."""

    @abstractmethod
    def render(self, cameras: Tensor, *, super_resolve: bool = True) -> Rendering:
        """Render the portraits.

        Args:
            cameras: `[N, 25]`, one a portrait; where one portrait is bound, any number of them.
            super_resolve: whether the final image is made; depth does not need it.

        Raises:
            InvalidArgumentError: neither one camera a portrait nor one portrait.
        """

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate the portraits' scenes at points.

        Args:
            points: `[N, M, 3]` in the world.

        Returns:
            `(sigma [N, M, 1], rgb [N, M, C >= 3])`: density before the softplus; the first three
            features are the color, in [0, 1].

        Raises:
            NoDensityError: the style has no density.
        """
        raise NoDensityError


class PreparedStyle(ABC):
    """A style with its base generator and a strength: all that is the same for every portrait."""

    @abstractmethod
    def bind(self, codes: Codes, *, fitted: Sequence[bytes] | None = None) -> BoundStyle:
        """Compute what the portraits need before they are rendered from any camera.

        Args:
            codes: the portraits.
            fitted: `BoundStyle.fitted` of the same portraits from an earlier time, at any strength;
                nothing is then fitted again.
        """

    def render(self, codes: Codes, *, super_resolve: bool = True) -> Rendering:
        """Render portraits from their own cameras."""
        return self.bind(codes).render(codes.cameras, super_resolve=super_resolve)


class Style(ABC):
    """A version of a style domain.

    A further kind is one dataclass with these fields and its tensors, which names its `kind` and
    prepares itself. Installed packages announce theirs in the entry-point group
    `itportrait.style_kinds`, each under its kind's name.
    """

    kind: ClassVar[str]
    """Name of the kind, which stands in the file's header."""
    domain: str
    """Name of the style domain."""
    base_model_id: str
    """`model_id` of the bundle that the style belongs to."""
    info: dict[str, Any]
    """JSON data kept with it: specification, chosen step, metrics, pair report."""

    @abstractmethod
    def prepare(self, base: Generator, strength: float = 1.0) -> PreparedStyle:
        """Lay the style over a base generator.

        Args:
            base: the generator that the style belongs to; it is not changed.
            strength: 0 gives the base, 1 the domain; past 1 exaggerates.

        Raises:
            InvalidArgumentError: the style does not fit the generator.
        """

    def with_models(self, bundle: "Bundle") -> Self:
        """Return the style with the models that guide it where it is fitted to portraits.

        Whoever prepares a style to render portraits that it was not fitted to calls this first.
        Styles that fit nothing are returned as they are.

        Args:
            bundle: the base model that the style belongs to.
        """
        return self

    def tensors(self) -> Mapping[str, Tensor]:
        """Return what the style's file holds, by name: the attributes that are tensors."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    @classmethod
    def of_file(cls, file: StyleFile) -> Self:
        """Return the style that a file of this kind holds: its tensors are arguments by name.

        Raises:
            CheckpointError: its tensors are not those of the kind.
        """
        build: Callable[..., Self] = cls
        values = {"domain": file.domain, "base_model_id": file.base_model_id, "info": file.info}
        try:
            return build(**values, **file.tensors)
        except TypeError as error:
            raise CheckpointError(f"not a style of kind {cls.kind!r}: {error}") from error

    @classmethod
    def prepare_blend(
        cls, base: Generator, parts: Sequence[tuple["Style", float]]
    ) -> PreparedStyle:
        """Lay several styles of this kind over a base generator, each at its strength.

        `prepare_blend` of this module calls it, and passes no other kind.

        Args:
            base: the generator that they belong to; it is not changed.
            parts: at least one style of this kind, each with its strength.

        Raises:
            InvalidArgumentError: the kind cannot be blended.
        """
        if len(parts) == 1:
            return parts[0][0].prepare(base, parts[0][1])
        raise InvalidArgumentError(
            "styles",
            expected="of a kind that can be blended",
            actual=" and ".join(_named(style) for style, _ in parts),
            remedy="ask for no film between these domains",
        )

    def check_base(self, model_id: str) -> None:
        """Refuse another base model than the one that the style belongs to.

        Raises:
            InvalidArgumentError: the ids differ.
        """
        if model_id != self.base_model_id:
            raise InvalidArgumentError(
                "bundle",
                expected=f"base model {self.base_model_id} of style {self.domain!r}",
                actual=model_id,
                remedy="adapt the domain again on this model, or load the model it was made for",
            )

    def check_domain(self, domain: str) -> None:
        """Refuse the style of another domain than the one whose folder it lies in.

        Raises:
            InvalidArgumentError: the names differ.
        """
        if domain != self.domain:
            raise InvalidArgumentError(
                "style",
                expected=f"that of domain {domain!r}",
                actual=f"that of {self.domain!r}",
                remedy="publish the domain again",
            )

    def to_file(self) -> StyleFile:
        """Return the content of the style's file."""
        return StyleFile(self.kind, self.domain, self.base_model_id, self.tensors(), self.info)

    def to_bytes(self) -> bytes:
        """Return the style's file, which holds everything (`from_bytes` reads it back)."""
        return self.to_file().to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str = "style") -> Self:
        """Read a style of this kind; `read_style` reads one of any kind.

        Args:
            data: the file's bytes.
            source: its name, for errors.

        Raises:
            CheckpointError: truncated, or of another kind.
        """
        with fence(source):
            file = StyleFile.parse(data)
            if file.kind != cls.kind:
                raise CheckpointError(f"a style of kind {file.kind!r}, expected {cls.kind!r}")
            return cls.of_file(file)

    def save(self, folder: str | Path) -> Path:
        """Write the style's file and its card into a folder, which is made.

        Raises:
            OutputError: writing failed; names the path.
        """
        return self.to_file().save(folder)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a style of this kind from its file or its folder.

        Raises:
            CheckpointError: absent, truncated, or of another kind.
        """
        data, source = read_local(path)
        return cls.from_bytes(data, source=source)


def prepare_blend(base: Generator, parts: Sequence[tuple[Style, float]]) -> PreparedStyle:
    """Lay styles over a base generator, each at its strength: a point on the way between domains.

    Args:
        base: the generator that they belong to; it is not changed.
        parts: styles of one kind, each with its strength.

    Raises:
        InvalidArgumentError: no style, styles of two kinds, or of a kind that cannot be blended.
    """
    if not parts:
        raise InvalidArgumentError("styles", expected="at least one", actual="none")
    kinds = {type(style) for style, _ in parts}
    if len(kinds) > 1:
        raise InvalidArgumentError(
            "styles",
            expected="of one kind, since there is no way between two kinds",
            actual=" and ".join(_named(style) for style, _ in parts),
            remedy="ask for no film between these domains",
        )
    return kinds.pop().prepare_blend(base, parts)


def _named(style: Style) -> str:
    return f"{style.domain!r} of kind {style.kind!r}"
