"""Settings of the engine: resources of tasks, retries, and the lease on the output."""

from typing import Literal

from pydantic import Field

from itportrait.config import Settings


class StageShare(Settings):
    """Resources and time limit of one task of a stage."""

    cpus: float = Field(default=1.0, ge=0)
    """Number of cores reserved for a task, and of the threads that it computes with. A task that
    takes a GPU has the threads, but waits for no core, so that the GPU does not wait for photos
    that are aligned."""
    gpus: float | None = Field(default=None, ge=0)
    """Number of GPUs reserved for a task; with 0.25, four tasks share one. None means 0.5 where the
    cluster has GPUs, and 0 elsewhere: of two tasks on a GPU, one computes while the other reads,
    decodes, encodes and writes. Choose 1 where its memory does not hold the models and the batches
    of two."""
    timeout_s: float = Field(default=600.0, gt=0)
    """Fixed part of a task's time limit, in seconds; it includes the loading of models."""
    item_timeout_s: float = Field(default=120.0, gt=0)
    """Additional seconds of the time limit for each record of the task."""


class CpuShare(StageShare):
    """Resources and time limit of one task of a stage that gains nothing from a GPU."""

    gpus: float | None = Field(default=0.0, ge=0)
    """Number of GPUs reserved for a task. None means 0.5 where the cluster has GPUs, and 0
    elsewhere."""
    item_timeout_s: float = Field(default=60.0, gt=0)
    """Additional seconds of the time limit for each record of the task."""


class ResourcesConfig(Settings):
    """Resources of each stage, retries, and the lease on the output."""

    align: CpuShare = CpuShare()
    """Resources of a task of the align stage."""
    invert: StageShare = StageShare()
    """Resources of a task of the invert stage."""
    stylize: StageShare = StageShare()
    """Resources of a task of the stylize stage."""
    others: dict[str, StageShare] = Field(default_factory=dict)
    """Resources of a task of stages that other packages add, by the name of the stage."""
    precision: Literal["fp32", "fast"] = "fp32"
    """What the generator computes with in invert and stylize. `fp32` agrees with the references.
    `fast` is bfloat16 in backbone and super-resolution and TF32 elsewhere, on a GPU; on a CPU it is
    bfloat16 where the CPU has units for it (AMX), and else `fp32`, which the log says once.
    Pictures differ by less than people see (over 45 dB). `run.json` says what was used.
    Adaptations have a setting of their own, `adapt.precision`."""
    in_flight: int | None = Field(default=None, ge=1)
    """Largest number of shard tasks submitted at once. None means twice as many as the cluster can
    run, on its cores and on its GPUs."""
    storage_retries: int = Field(default=6, ge=0)
    """Number of retries after a failure of storage, with pauses that double from half a second."""
    crash_retries: int = Field(default=1, ge=0)
    """Number of retries of a shard whose process died, before the record that causes it is searched
    for. A process that ended for lack of memory, or was lost with its node, does not count."""
    node_retries: int = Field(default=8, ge=0)
    """Number of retries of a task whose node was lost, with pauses that double from half a
    second."""
    memory_wait_s: float = Field(default=900.0, ge=0)
    """Longest wait, in seconds, for nodes to have free memory again while no task of the job can
    run."""
    lease_ttl_s: float = Field(default=60.0, gt=0)
    """Time in seconds after which the lease of a dead job on the output expires. On the machine of
    the dead job it expires at once."""
    lease_wait_s: float = Field(default=0.0, ge=0)
    """Longest wait, in seconds, for another job that writes to the same output."""
    num_cpus: int | None = Field(default=None, ge=1)
    """Number of cores of the embedded Ray; None means all of this machine."""

    def share(self, stage: str) -> StageShare:
        """Return what a task of a stage takes of the cluster."""
        own = getattr(self, stage, None)
        return own if isinstance(own, StageShare) else self.others.get(stage, StageShare())
