"""What determines a stage's output, and where it goes: the same for all of its shards."""

from dataclasses import dataclass, field
from typing import Any

from itportrait.config import fingerprint
from itportrait.errors import InvalidArgumentError
from itportrait.io import uris
from itportrait.io.commits import StageTable
from itportrait.io.names import check_domain
from itportrait.io.parquet import PixelFormat
from itportrait.records import Record
from itportrait.stages.domain_table import DomainTable
from itportrait.stages.registry import stage_named
from itportrait.stages.setup import StageSetup
from itportrait.stages.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Recipe(StageSetup):
    """One stage (of one domain) of a job: hashable, small, sent with every task.

    Args:
        output: the job's output folder.
        after: names of the stages before it, from the first to the one just before; None: those
            that it follows by itself.
        model_id: what the models are, for the fingerprint.
        pixel_format: encoding of pictures.
        builder: `module:function` that builds the stage's function from a recipe, in place of the
            stage itself; for tests and benchmarks.
        timeout_s: seconds allowed to a task, plus `item_timeout_s` for each of its items.
        retry_failed: compute failed rows again.
    """

    output: str
    after: tuple[str, ...] | None = None
    model_id: str = ""
    pixel_format: PixelFormat = field(default_factory=PixelFormat)
    builder: str = ""
    timeout_s: float = 300.0
    item_timeout_s: float = 60.0
    retry_failed: bool = False

    @property
    def definition(self) -> Stage:
        """Return the stage itself."""
        return stage_named(self.stage)

    @property
    def fingerprint(self) -> str:
        """Return a digest of everything but the inputs."""
        version = self.definition.version_under(self.config)
        parts: list[Any] = [self.stage, version, self.config, self.model_id]
        parts += [self.domain, self.version, self.pixel_format.kind, self.pixel_format.quality]
        if self.precision != "fp32":  # which was all there was, and is hashed as it was
            parts.append(self.precision)
        return fingerprint(*parts)

    def of_inputs(self, inputs: str | list[str]) -> str:
        """Return the fingerprint of a shard: this recipe applied to inputs with this digest."""
        return fingerprint(self.fingerprint, inputs)

    @property
    def before(self) -> tuple[str, ...]:
        """Return the names of the stages before it, the first one first."""
        return _followed(self.definition) if self.after is None else self.after

    @property
    def previous(self) -> str:
        """Return the name of the stage just before it; empty for the first one."""
        return self.before[-1] if self.before else ""

    @property
    def takes_photos(self) -> bool:
        """Tell whether it begins the chain: its items are photos, and no records."""
        return not self.before

    @property
    def takes(self) -> tuple[str, ...]:
        """Return the stages that give the records of an item, in the order of the item.

        Raises:
            InvalidArgumentError: no stage before it makes records that it takes.
        """
        return tuple(self.giver(kind) for kind in self.definition.takes)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the stages that decide about its items, the first one first."""
        return tuple(name for name in self.before if name in {*self.takes, self.previous})

    def giver(self, record_type: type[Record]) -> str:
        """Return the last stage before it that makes records of a type.

        Raises:
            InvalidArgumentError: there is none.
        """
        for name in reversed(self.before):
            if issubclass(stage_named(name).record_type, record_type):
                return name
        raise InvalidArgumentError(
            "stages",
            expected=f"a chain with a stage before {self.stage!r} that makes a "
            f"{record_type.__name__}",
            actual=" -> ".join((*self.before, self.stage)),
            remedy="put such a stage before it",
        )

    def table(self) -> StageTable:
        """Return the table that the stage writes."""
        return stage_table(self.output, self.stage, self.domain)

    @property
    def partial_root(self) -> str:
        """Return the folder of what is kept while poison records are looked for."""
        table = self.table()
        return uris.join(table.root, table.place("_partial"))

    def partial_table(self, shard: int) -> StageTable:
        """Return where ranges of a shard are kept while a poison record is looked for."""
        root = uris.join(self.partial_root, f"{shard:05d}")
        return StageTable(root, self.definition.record_type)

    def upstream(self, source: str | type[Record]) -> StageTable:
        """Return the table of a stage before it, of the same output.

        Args:
            source: name of the stage, or a type of record: then the last stage that makes it.
        """
        name = source if isinstance(source, str) else self.giver(source)
        return stage_table(self.output, name)


def stage_table(output: str, stage: str, domain: str = "") -> StageTable:
    """Return the table of a stage below a job's output.

    Raises:
        InvalidArgumentError: the domain's name is none that a folder may have.
    """
    known = stage_named(stage)
    root = uris.join(output, known.folder)
    if known.per_domain:
        return DomainTable(root, known.record_type, check_domain(domain))
    return StageTable(root, known.record_type)


def _followed(stage: Stage) -> tuple[str, ...]:
    """Return the names of the stages that a stage follows by itself, the first one first."""
    names: list[str] = []
    while stage.follows is not None:
        if stage.follows in names:
            raise InvalidArgumentError(
                f"stage {stage.name!r}", expected="a chain without a circle", actual=names
            )
        names.insert(0, stage.follows)
        stage = stage_named(stage.follows)
    return tuple(names)
