"""What a style domain is: reference images, a prompt, or both, and how a model adapts to them."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from itportrait.config import Settings
from itportrait.io import uris
from itportrait.io.names import check_domain

Mode = Literal["image", "text", "image_text"]
Input = Literal["text", "image", "images"]
"""What guides an adaptation: words, one style image, or several."""
DomainName = Annotated[str, AfterValidator(check_domain)]


class DomainSpec(Settings):
    """One style domain: reference images, a prompt, or both, and what to train for it."""

    name: DomainName
    """Folder, table and run name of the domain."""
    mode: Mode
    """`image` (references alone), `text` (prompt alone) or `image_text` (both)."""
    prompt: str | None = None
    """What the portraits become, such as "a bronze statue"; the modes with text need it."""
    source_prompt: str = "Photo"
    """What the portraits are before the adaptation, in words."""
    references: tuple[str, ...] = ()
    """URIs of aligned style images; the modes with images need at least one."""
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
        if self.mode != "text" and not self.references:
            raise ValueError(
                f"references: mode {self.mode!r} of domain {self.name!r} needs at least one picture"
            )
        return self

    def portable(self) -> dict[str, Any]:
        """Return plain data for other machines: local references by name, URIs without secrets."""
        references = [
            Path(uri).name if uris.is_local(uri) else uris.redact(uri) for uri in self.references
        ]
        return {**self.model_dump(mode="json"), "references": references}

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
            inputs.add("images" if len(self.references) > 1 else "image")
        return frozenset(inputs)
