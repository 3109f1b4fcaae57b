"""Pieces of work on their way through the window: a shard of a stage, or a range of its items."""

from dataclasses import dataclass, replace
from typing import Self

from itportrait.engine.poison_search import Search
from itportrait.engine.work import ShardTask, run_shard
from itportrait.execution.executor import Call
from itportrait.io.memory import Room
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard


@dataclass(frozen=True)
class StageResources:
    """Resources of one task of a stage."""

    num_cpus: float = 1.0
    num_gpus: float = 0.0

    @property
    def reserved_cpus(self) -> float:
        """Return the cores that a task waits for: none if it takes a GPU.

        It would wait for a core on which photos are aligned, and the GPU with it.
        """
        return 0.0 if self.num_gpus else self.num_cpus

    @property
    def threads(self) -> int:
        """Return the threads of a task that takes no cores; 0 where those that it takes say it."""
        return max(int(self.num_cpus), 1) if self.num_gpus else 0


@dataclass
class Piece:
    """A shard of a stage, or a range of its items, with the history of its attempts."""

    recipe: Recipe
    shard: Shard
    search: Search
    """The search of the shard, shared by all of its pieces."""
    start: int
    stop: int
    copy_from: tuple[int, ...]
    """Shards whose rows this piece may copy."""
    alone: bool = False
    """Whether the piece runs while nothing else runs, so that what ends it twice in the same way is
    its own fault."""
    final_crashes: int = 0
    """Number of processes lost since there was nothing left to search."""
    memory_losses: int = 0
    """Number of losses to memory while other pieces ran beside this one."""
    node_losses: int = 0
    storage_failures: int = 0
    submitted: float = 0.0
    cancelled: bool = False

    @property
    def items(self) -> int:
        """Return how many inputs of the stage it has."""
        return self.stop - self.start

    @property
    def whole(self) -> bool:
        """Tell whether it is all of its shard."""
        return self.items == self.search.items

    @property
    def time_limit_s(self) -> float:
        """Return how long its process may take."""
        return self.recipe.timeout_s + self.recipe.item_timeout_s * self.items

    def halves(self, *, alone: bool) -> list[Self]:
        """Split it in two, in its search as well."""
        ranges = self.search.halve(self.start, self.stop)
        fresh = {"alone": alone, "memory_losses": 0, "node_losses": 0}
        return [replace(self, start=start, stop=stop, **fresh) for start, stop in ranges]

    def call(self, resources: StageResources, room: Room | None) -> Call:
        """Return the work on it, for an executor."""
        return Call(
            function=run_shard,
            args=(self.recipe, self._task()),
            name=f"{self.recipe.name} {self.shard.index:05d}",
            num_cpus=resources.reserved_cpus,
            num_gpus=resources.num_gpus,
            threads=resources.threads,
            timeout_s=self.time_limit_s,
            room=room,
            trial=self.alone,
        )

    def _task(self) -> ShardTask:
        # Later stages read their inputs from the tables, and need no sources.
        sources = self.shard.sources if self.recipe.takes_photos else ()
        shard = Shard(self.shard.index, sources)
        if not self.whole:
            return ShardTask(shard, self.start, self.stop, copy_from=self.copy_from)
        return ShardTask(
            shard,
            quarantined=dict(self.search.quarantined),
            searched=self.search.begun,
            copy_from=self.copy_from,
        )

    def __str__(self) -> str:
        part = "" if self.whole else f" [{self.start}:{self.stop}]"
        return f"{self.recipe.name}, shard {self.shard.index}{part}"
