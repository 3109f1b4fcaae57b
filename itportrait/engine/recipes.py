"""What determines a stage's output, and where it goes: the same for all of its shards."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import itportrait.align
import itportrait.invert
import itportrait.stylize
from itportrait.config import fingerprint
from itportrait.io import uris
from itportrait.io.commits import StageTable
from itportrait.io.names import check_domain, check_name
from itportrait.io.parquet import PixelFormat
from itportrait.records import AlignedRecord, InvertedRecord, Record, StylizedRecord

ALIGN, INVERT, STYLIZE = "align", "invert", "stylize"
STAGES: dict[str, ModuleType] = {
    ALIGN: itportrait.align,
    INVERT: itportrait.invert,
    STYLIZE: itportrait.stylize,
}
"""Package of each stage: its VERSION is part of what a stage's output is known by."""
RECORD_TYPES: dict[str, type[Record]] = {
    ALIGN: AlignedRecord,
    INVERT: InvertedRecord,
    STYLIZE: StylizedRecord,
}
DEFAULT_KERNELS = "itportrait.engine.stage_functions:build"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One stage (of one domain): hashable, small, sent with every task.

    Args:
        stage: `align`, `invert` or `stylize`.
        output: the job's output folder.
        config: JSON of the stage's settings.
        bundle: URI of the models.
        model_id: what the models are, for the fingerprint.
        domain: name, for `stylize`.
        version: the adapter's version, for `stylize`.
        adapter: URI of the adapter's folder in the bank, for `stylize`.
        pixel_format: encoding of pictures.
        device: torch device of the models; not part of the fingerprint.
        kernels: `module:function` that builds the stage's computation from a recipe.
        timeout_s: seconds allowed to a task, plus `item_timeout_s` for each of its items.
        retry_failed: compute failed rows again.
    """

    stage: str
    output: str
    config: str
    bundle: str = ""
    model_id: str = ""
    domain: str = ""
    version: str = ""
    adapter: str = ""
    pixel_format: PixelFormat = field(default_factory=PixelFormat)
    device: str = "cpu"
    kernels: str = DEFAULT_KERNELS
    timeout_s: float = 300.0
    item_timeout_s: float = 60.0
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if self.domain:
            check_domain(self.domain)
        if self.version:
            check_name(self.version, "version")

    @property
    def name(self) -> str:
        """Return what people call it: `align`, `invert`, `stylize bronze`."""
        return f"{self.stage} {self.domain}".strip()

    @property
    def fingerprint(self) -> str:
        """Return a digest of everything but the inputs."""
        parts: list[Any] = [self.stage, STAGES[self.stage].VERSION, self.config, self.model_id]
        parts += [self.domain, self.version, self.pixel_format.kind, self.pixel_format.quality]
        return fingerprint(*parts)

    def of_inputs(self, inputs: str | list[str]) -> str:
        """Return the fingerprint of a shard: this recipe applied to inputs with this digest."""
        return fingerprint(self.fingerprint, inputs)

    def table(self) -> StageTable:
        """Return the table that the stage writes."""
        return StageTable(
            table_root(self.output, self.stage, self.domain), RECORD_TYPES[self.stage]
        )

    def partial_table(self, shard: int) -> StageTable:
        """Return where ranges of a shard are kept while a poison record is looked for."""
        root = uris.join(self.table().root, "_partial", f"{shard:05d}")
        return StageTable(root, RECORD_TYPES[self.stage])

    def upstream(self, stage: str) -> StageTable:
        """Return an earlier stage's table of the same output."""
        return StageTable(table_root(self.output, stage), RECORD_TYPES[stage])


def table_root(output: str, stage: str, domain: str = "") -> str:
    """Return the folder of a stage's table below a job's output.

    Raises:
        InvalidArgumentError: the domain's name is none that a folder may have.
    """
    if stage == STYLIZE:
        return uris.join(output, "stylized", f"domain={check_domain(domain)}")
    return uris.join(output, {ALIGN: "aligned", INVERT: "inverted"}[stage])
