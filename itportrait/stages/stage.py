"""All that the engine must know of a stage, in one object."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from typing import Any, ClassVar, cast

from itportrait.config import Settings
from itportrait.records import Record, RecordError, Status
from itportrait.stages.gate import Gate
from itportrait.stages.setup import StageSetup

StageFunction = Callable[[Sequence[Any]], list[list[Record]]]
"""Turns items of a stage into rows, one list an item: several rows where a photo has several faces.

An item is a `Source` in a stage that takes photos. In all others it is the record that the stage
takes, or a tuple of records where it takes several types.
"""


class Stage(ABC):
    """Base of all stages.

    A stage takes photos, or records of stages before it, and makes one row or more for each item.
    It is registered in `STAGES`, or by another package through an entry point.
    """

    name: ClassVar[str]
    """Name under which it is registered; it stands in its rows' errors and in its commits."""
    version: ClassVar[int]
    """Version of the stage's code. It is raised when results change; rows of other versions are
    computed anew."""
    record_type: ClassVar[type[Record]]
    """Type of its rows. What later stages read is marked on the fields of the type."""
    folder: ClassVar[str]
    """Folder of its table, below the job's output."""
    settings: ClassVar[type[Settings]]
    """Type of its configuration."""
    follows: ClassVar[str | None] = None
    """Name of the stage that it follows unless a job says otherwise; None: it takes photos."""
    takes: ClassVar[tuple[type[Record], ...]] = ()
    """Types of the records that an item consists of; the last stage before it that makes a type
    gives it. Items are the portraits that are ok in all of these and in the stage just before."""
    measures: ClassVar[tuple[str, ...]] = ()
    """Columns whose means the job reports."""
    gates: ClassVar[tuple[Gate, ...]] = ()
    """Thresholds that turn records away, for the review page."""
    uses_models: ClassVar[bool] = True
    """False if another model bundle leaves its results as they are."""
    per_domain: ClassVar[bool] = False
    """True if it runs once for each style domain; it then ends the chain."""

    def version_under(self, config: str) -> int | list[int]:
        """Return what the code that makes the rows is known by, for JSON of the stage's settings.

        It is the stage's version. A stage whose settings choose a method adds that of the method.
        """
        del config
        return self.version

    @abstractmethod
    def build(self, recipe: StageSetup) -> StageFunction:
        """Return the stage's function, with its models loaded."""

    def precision_used(self, recipe: StageSetup) -> str:
        """Return what the generator really computes with in this process, for run.json.

        A stage without a generator has none, and says nothing.
        """
        del recipe
        return ""

    def failed_row(
        self, recipe: StageSetup, item: Any, status: Status, error: RecordError
    ) -> Record:
        """Return the row of an item for which the stage's function gave none.

        Fields without a default are taken by name from the item's records, the last one first, and
        `domain` and `version` of a stage that runs once for each domain from the recipe. A stage
        whose rows need others, or whose items are photos, overrides this.
        """
        records = cast(tuple[Record, ...], item) if isinstance(item, tuple) else (item,)
        known: dict[str, Any] = {}
        for record in records:
            known |= vars(record)
        if self.per_domain:
            known |= {"domain": recipe.domain, "version": recipe.version}
        needed = {name: known[name] for name in _needed_fields(self.record_type)}
        return self.record_type(**needed, status=status, error=error)

    def unknown_when_failed(self) -> list[str]:
        """Return the fields that the rows of failed items need and that nothing gives."""
        if type(self).failed_row is not Stage.failed_row:
            return []
        known = {column.name for taken in self.takes for column in fields(taken)}
        if self.per_domain:
            known |= {"domain", "version"}
        return [name for name in _needed_fields(self.record_type) if name not in known]


def _needed_fields(record_type: type[Record]) -> list[str]:
    """Return the fields of a row that have no default, the id among them."""
    return [
        column.name
        for column in fields(record_type)
        if column.init and column.default is MISSING and column.default_factory is MISSING
    ]
