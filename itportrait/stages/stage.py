"""All that the engine must know of a stage, in one object."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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

    @abstractmethod
    def build(self, recipe: StageSetup) -> StageFunction:
        """Return the stage's function, with its models loaded."""

    def failed_row(
        self, recipe: StageSetup, item: Any, status: Status, error: RecordError
    ) -> Record:
        """Return the row of an item for which the stage's function gave none."""
        last = cast(tuple[Record, ...], item)[-1] if isinstance(item, tuple) else item
        return self.record_type(record_id=last.record_id, status=status, error=error)
