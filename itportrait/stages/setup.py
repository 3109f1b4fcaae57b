"""What a stage is built from: its settings, the models, and the style domain."""

from dataclasses import dataclass
from typing import Literal

from itportrait.io.names import check_domain, check_name


@dataclass(frozen=True, kw_only=True)
class StageSetup:
    """One stage as it is set up for a run: hashable and small.

    Args:
        stage: name of the stage.
        config: JSON of the stage's settings.
        bundle: URI of the models.
        device: torch device of the models; it changes no result that rows are known by.
        precision: what the generator shall compute with, `fp32` or `fast`.
        domain: name, for a stage that runs once for each domain.
        version: the style's version, for such a stage.
        adapter: URI of the style's folder in the bank, for such a stage.

    Raises:
        InvalidArgumentError: the domain's name, or the version's, is none that a folder may have.
    """

    stage: str
    config: str
    bundle: str = ""
    device: str = "cpu"
    precision: Literal["fp32", "fast"] = "fp32"
    domain: str = ""
    version: str = ""
    adapter: str = ""

    def __post_init__(self) -> None:
        if self.domain:
            check_domain(self.domain)
        if self.version:
            check_name(self.version, "version")

    @property
    def name(self) -> str:
        """Return what people call it: `align`, `invert`, `stylize bronze`."""
        return f"{self.stage} {self.domain}".strip()
