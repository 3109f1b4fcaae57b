"""Counts of a job, stage by stage, from the commits alone: memory does not grow with the inputs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from itportrait.config import fingerprint
from itportrait.errors import ItportraitError
from itportrait.io.commits import Commit


@dataclass
class StageTotals:
    """Counts of the inputs of one stage (of one domain) by outcome."""

    inputs: int = 0
    ok: int = 0
    rejected: int = 0
    failed: int = 0
    rows_ok: int = 0
    """Number of distinct portraits handed to the next stage."""
    seconds: float = 0.0
    """Seconds of computing of all shards, including those kept from earlier runs."""
    computed: int = 0
    """Number of rows computed by this run."""
    computed_seconds: float = 0.0
    """Seconds of computing in this run."""
    shards: int = 0
    shards_kept: int = 0
    """Number of shards that an earlier run had done."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    sums: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    precisions: Counter[str] = field(default_factory=Counter[str])
    """Number of shards by what the generator computed with, where a stage has one."""
    digest: int = 0
    """Digest of the outputs of all commits, in any order."""
    after: str = ""
    """Name of the stage whose portraits are its inputs; empty for the stage that takes photos."""

    def add(self, commit: Commit, *, kept: bool) -> None:
        """Add a committed shard; `kept` if this run found it done."""
        self.inputs += commit.inputs
        self.ok += commit.ok
        self.rejected += commit.rejected
        self.failed += commit.failed
        self.rows_ok += commit.rows_ok
        self.seconds += commit.seconds
        self.shards += 1
        self.shards_kept += kept
        if not kept:
            self.computed += commit.computed
            self.computed_seconds += commit.seconds
        self.reasons.update(commit.reasons)
        self.precisions.update([commit.precision] if commit.precision else [])
        self.digest ^= int(fingerprint(commit.shard, commit.outputs), 16)
        for name, (total, count) in commit.sums.items():
            entry = self.sums.setdefault(name, [0.0, 0.0])
            entry[0] += total
            entry[1] += count

    def mean(self, measure: str) -> float | None:
        """Return the mean of a measure over the rows that are ok, None if none has it."""
        total, count = self.sums.get(measure, (0.0, 0.0))
        return total / count if count else None

    def cost(self, cpus: float, gpus: float) -> dict[str, float]:
        """Return what the stage took of the cluster, in all and per 1,000 of its inputs.

        Args:
            cpus: cores that one of its tasks takes.
            gpus: GPUs that one of its tasks takes.
        """
        return cost_of(self.seconds * cpus, self.seconds * gpus, self.inputs)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for run.json."""
        return {
            "inputs": self.inputs,
            "ok": self.ok,
            "rejected": self.rejected,
            "failed": self.failed,
            "reasons": dict(self.reasons.most_common()),
            "seconds": round(self.seconds, 3),
            "seconds_per_1000": round(1000 * self.seconds / max(self.inputs, 1), 3),
            "computed": self.computed,
            "shards": self.shards,
            "shards_kept": self.shards_kept,
            "means": {name: round(self.mean(name) or 0.0, 6) for name in self.sums},
            "precision": dict(self.precisions.most_common()),
        }


def cost_of(cpu_seconds: float, gpu_seconds: float, inputs: int) -> dict[str, float]:
    """Return seconds of CPUs and GPUs with those per 1,000 inputs, under the names of run.json."""
    each = 1000 / max(inputs, 1)
    return {
        "cpu_seconds": round(cpu_seconds, 3),
        "gpu_seconds": round(gpu_seconds, 3),
        "cpu_seconds_per_1000": round(cpu_seconds * each, 3),
        "gpu_seconds_per_1000": round(gpu_seconds * each, 3),
    }


class Totals:
    """All stages of a job, by name (`align`, `invert`, `stylize bronze`)."""

    def __init__(self) -> None:
        self.listed = 0
        self.shards = 0
        self.stages: dict[str, StageTotals] = {}

    def stage(self, name: str, *, after: str = "") -> StageTotals:
        """Return the totals of a stage, made on first use as one that follows another."""
        found = self.stages.setdefault(name, StageTotals())
        found.after = after or found.after
        return found

    def expected(self, name: str) -> int:
        """Return the inputs that a stage must have, as far as is known by now."""
        after = self.stages[name].after
        return self.stages[after].rows_ok if after else self.listed

    def check(self, unfinished: frozenset[str] = frozenset()) -> None:
        """Check that nothing was lost: every input has its rows in every stage that it reached.

        Args:
            unfinished: stages that could not run (a domain whose adaptation failed).

        Raises:
            ItportraitError: a defect of this program; the sentence names stage and numbers.
        """
        for name, stage in self.stages.items():
            if name in unfinished:
                continue
            expected = self.expected(name)
            total = stage.ok + stage.rejected + stage.failed
            if total != stage.inputs or stage.inputs != expected:
                raise ItportraitError(
                    f"{name} lost records: ok {stage.ok} + rejected {stage.rejected} + failed "
                    f"{stage.failed} = {total}, inputs {stage.inputs}, expected {expected}"
                )
