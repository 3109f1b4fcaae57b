"""The files of each stylized portrait that the configuration asks for, beside the tables.

OUT/deliverables/domain=NAME/RECORD_ID/{pasted.png, turntable.mp4, depth.png, mesh.glb,
                                        strength.mp4, from_OTHER.mp4}
OUT/deliverables/domain=NAME/_commits/00012.json    shard 12: its files, and what failed
OUT/deliverables/_commit.json                       the whole: equal fingerprint, nothing to do
"""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from itportrait.config import fingerprint
from itportrait.engine.pieces import StageResources
from itportrait.engine.verdicts import MEMORY_LOST, PROCESS_LOST
from itportrait.execution.causes import Cause
from itportrait.execution.errands import ErrandLimits, Errands, GivenUp
from itportrait.execution.executor import Call, Executor
from itportrait.execution.watchdog import watchdog
from itportrait.io import uris
from itportrait.results.delivery import (
    DELIVERABLES_VERSION,
    FOLDER,
    Delivery,
    DeliveryTask,
    deliver,
    domain_root,
    sweep,
)
from itportrait.results.standing import Marker
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard
from itportrait.stylize.config import DeliverablesConfig

MARKER = "_commit.json"


@dataclass(frozen=True, kw_only=True)
class DeliverablesJob:
    """All files of a run.

    Args:
        output: the job's output folder.
        config: which files.
        stylize: recipes of the domains, in order.
        shards: how many the run has.
        inputs: digest of all rows of the run.
    """

    output: str
    config: DeliverablesConfig
    stylize: tuple[Recipe, ...]
    shards: int
    inputs: str

    def standing(self) -> dict[str, Any] | None:
        """Return the summary of an earlier run that made these very files, else None."""
        standing = self._marker.read()
        if standing is None:
            return None
        summary = standing["domains"]
        redo = any(recipe.retry_failed for recipe in self.stylize)
        return None if redo and any(made["failed"] for made in summary.values()) else summary

    def tasks(self, shards: Iterable[Shard]) -> Iterator[DeliveryTask]:
        """Yield the work in order: every domain of a shard, then the next shard."""
        left = {recipe.domain: self.config.portraits for recipe in self.stylize}
        for shard in shards:
            for before, recipe in itertools.pairwise([None, *self.stylize]):
                assert recipe is not None  # only the first `before` is
                limit = left[recipe.domain]
                if limit is not None:
                    commit = recipe.table().read_commit(shard.index)
                    left[recipe.domain] = max(limit - (commit.ok if commit else 0), 0)
                yield DeliveryTask(
                    config=self.config,
                    recipe=recipe,
                    shard=shard,
                    before=before if self.config.between else None,
                    portraits=limit,
                )

    def run(
        self,
        shards: Iterable[Shard],
        *,
        resources: StageResources,
        in_flight: int,
        executor: Executor,
        check: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Make what is missing. A shard whose process ends again and again counts as failed.

        Args:
            shards: of the run, with their sources where photos are needed.
            resources: of a task.
            in_flight: tasks submitted at once.
            executor: what runs the tasks.
            check: called at every turn; raises to stop.

        Returns:
            Domain -> portraits, files, failed, reasons, seconds.

        Raises:
            OutputError: no space or no permission; names the path.
            OSError: storage failed again and again.
        """
        totals = {recipe.domain: _Totals() for recipe in self.stylize}
        errands = Errands(executor, ErrandLimits(in_flight=in_flight))
        calls = ((task.recipe.domain, _call(task, resources)) for task in self.tasks(shards))
        for domain, made in errands.run(calls, check):
            if isinstance(made, GivenUp) and made.cause is Cause.STORAGE:
                raise made.error
            totals[domain].add(made)
        stale = {name for name, total in totals.items() if total.stale}
        return self.finish({name: total.to_json() for name, total in totals.items()}, stale)

    def finish(
        self, summary: dict[str, Any], stale: Collection[str] = frozenset()
    ) -> dict[str, Any]:
        """Remove what no shard of the run has any more, and write the marker.

        Args:
            summary: what `run` returns.
            stale: domains with shards that named stale files.
        """
        for recipe in self.stylize:
            sweep(domain_root(recipe), self.shards, stale=recipe.domain in stale)
        self._marker.write(domains=summary)
        return summary

    @property
    def _marker(self) -> Marker:
        recipes = [recipe.fingerprint for recipe in self.stylize]
        parts = [DELIVERABLES_VERSION, self.config, recipes, self.inputs, self.shards]
        return Marker(uris.join(self.output, FOLDER, MARKER), fingerprint(*parts))


@dataclass
class _Totals:
    portraits: int = 0
    files: int = 0
    seconds: float = 0.0
    stale: bool = False
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, made: Delivery | GivenUp | None) -> None:
        if isinstance(made, GivenUp):
            self.reasons[MEMORY_LOST if made.cause is Cause.MEMORY else PROCESS_LOST] += 1
        elif made is not None:
            self.portraits += made.portraits
            self.files += len(made.files)
            self.seconds += made.seconds
            self.stale |= bool(made.stale)
            self.reasons.update(error["type"] for error in made.errors)

    def to_json(self) -> dict[str, Any]:
        reasons = dict(self.reasons.most_common())
        failed = sum(reasons.values())
        return {
            "portraits": self.portraits,
            "files": self.files,
            "failed": failed,
            "reasons": reasons,
            "seconds": round(self.seconds, 3),
        }


def _call(task: DeliveryTask, resources: StageResources) -> Call:
    return Call(
        function=_work,
        args=(task,),
        name=f"deliver {task.recipe.domain} {task.shard.index:05d}",
        num_cpus=resources.num_cpus,
        num_gpus=resources.num_gpus,
    )


def _work(task: DeliveryTask) -> Delivery | None:
    commit = task.recipe.table().read_commit(task.shard.index)
    files = task.config.kinds * (commit.ok if commit else 0)
    with watchdog(task.recipe.timeout_s + task.recipe.item_timeout_s * files):
        return deliver(task)
