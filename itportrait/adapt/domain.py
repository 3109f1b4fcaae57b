"""What a style domain is: reference images, a prompt, or both, and how a model adapts to them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from itportrait.config import Settings
from itportrait.io import uris
from itportrait.io.names import check_domain
from itportrait.picture_sets.names import check_drawn, is_drawn, rooted

Mode = Literal["image", "text", "image_text"]
Input = Literal["text", "image", "images", "set"]
"""What guides an adaptation: words, one style image, several, or a whole set of pictures."""
DomainName = Annotated[str, AfterValidator(check_domain)]


class DomainSpec(Settings):
    """One style domain: reference images, a prompt, or both, and what to train for it."""

    name: DomainName
    """Folder, table and run name of the domain."""
    mode: Mode
    """`image` (references or pictures alone), `text` (prompt alone) or `image_text` (both)."""
    prompt: str | None = None
    """What the portraits become, such as "a bronze statue"; the modes with text need it."""
    source_prompt: str = "Photo"
    """What the portraits are before the adaptation, in words."""
    references: tuple[str, ...] = ()
    """URIs of aligned style images; the modes with images need at least one, or `pictures`."""
    pictures: Annotated[str | None, AfterValidator(check_drawn)] = None
    """A whole set of pictures, for methods that are guided by sets: folder or URI of an aligned
    table (`OUT/aligned`, which the align stage writes), or `mini:NAME` for drawn pictures of a
    procedural domain."""
    pictures_count: int = Field(default=64, ge=1)
    """Number of pictures that are drawn for `mini:NAME`; a table is taken as a whole."""
    method: str = "itportrait"
    """Name in the registry of adaptation methods."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the method's settings for this domain alone, nested or with dotted keys."""
    steps: int = Field(default=401, ge=1)
    """Upper bound of the optimization steps; the best one is chosen, see `SelectionConfig`. Methods
    that train nothing for the domain take one step, whatever stands here."""
    train: str = "synthesis_sr"
    """Preset of the layers that are trained: synthesis_sr, planes_only, decoder_sr or all."""
    seed: int = Field(default=0, ge=0)
    """Seed of this domain's random draws."""
    license: str = ""
    """License of the reference images, kept with the adapter."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Free labels; they are copied to the tracked run and to the bank."""

    @model_validator(mode="after")
    def _mode_has_its_inputs(self) -> Self:
        if self.mode != "image" and not (self.prompt and self.prompt.strip()):
            raise ValueError(f"prompt: mode {self.mode!r} of domain {self.name!r} needs a prompt")
        if self.mode != "text" and not self.references and not self.pictures:
            raise ValueError(
                f"references: mode {self.mode!r} of domain {self.name!r} needs at least one picture"
            )
        if self.mode == "text" and self.pictures:
            raise ValueError(
                f"pictures: mode 'text' of domain {self.name!r} takes words alone; choose mode "
                "'image', or leave `pictures` out"
            )
        return self

    @model_serializer(mode="wrap")
    def _leave_out_no_pictures(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Digests are made of serialized specifications, and the first release knew no sets.
        data: dict[str, Any] = handler(self)
        if data.get("pictures") is None:
            return {k: v for k, v in data.items() if k not in ("pictures", "pictures_count")}
        return data

    def portable(self) -> dict[str, Any]:
        """Return plain data for other machines: local references by name, URIs without secrets."""
        references = [
            Path(uri).name if uris.is_local(uri) else uris.redact(uri) for uri in self.references
        ]
        plain = {**self.model_dump(mode="json"), "references": references}
        if self.pictures:
            local = uris.is_local(self.pictures) and not is_drawn(self.pictures)
            name = "/".join(Path(self.pictures).parts[-2:])  # `OUT/aligned`
            plain["pictures"] = name if local else uris.redact(self.pictures)
        return plain

    def rooted(self, folder: str) -> Self:
        """Return the domain with its relative paths taken from a folder."""
        references = tuple(uris.rooted(uri, folder) for uri in self.references)
        pictures = rooted(self.pictures, folder)
        return self.model_copy(update={"references": references, "pictures": pictures})

    @property
    def uses_text(self) -> bool:
        """Whether the words guide the adaptation."""
        return self.mode != "image"

    @property
    def uses_images(self) -> bool:
        """Whether reference images guide it."""
        return self.mode != "text"

    @property
    def inputs(self) -> frozenset[Input]:
        """What guides the adaptation."""
        inputs: set[Input] = set()
        if self.uses_text:
            inputs.add("text")
        if self.uses_images:
            if self.pictures:
                inputs.add("set")
            if self.references:
                inputs.add("images" if len(self.references) > 1 else "image")
        return frozenset(inputs)


def mode_of(prompt: str, *, by_pictures: bool) -> Mode:
    """Return the mode of a domain that is told by what guides it.

    Args:
        prompt: "" where no words guide it.
        by_pictures: whether references or a set of pictures do.
    """
    if prompt:
        return "image_text" if by_pictures else "text"
    return "image"


def pictures_places(domains: Iterable[DomainSpec]) -> dict[str, str]:
    """Return the places of the sets that domains read, by what gives them."""
    return {
        f"pictures of domain {domain.name!r}": domain.pictures
        for domain in domains
        if domain.pictures and not is_drawn(domain.pictures)
    }
