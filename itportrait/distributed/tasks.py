"""Ray tasks: one shard of one stage each. They return counts and timings, never pixels."""

import contextlib
import faulthandler
import sys
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayTaskError

from itportrait.distributed.recipes import Recipe
from itportrait.distributed.work import ShardTask, run_shard
from itportrait.io.commits import Commit

GPU_CALLS_PER_PROCESS = 16
"""An idle process keeps GPU memory that Ray counts as free, so that it must end now and then."""


@contextlib.contextmanager
def watchdog(timeout_s: float) -> Iterator[None]:
    """End this process if the block takes longer: native code that hangs heeds nothing else.

    The clock starts with the task and not with its place in a queue.
    """
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _work(recipe: Recipe, task: ShardTask, items: int) -> Commit:
    with watchdog(recipe.timeout_s + recipe.item_timeout_s * items):
        return run_shard(recipe, task)


# Retries are the window's business: it tells a flaky store from a poison record.
shard_on_cpu = ray.remote(max_retries=0)(_work)
shard_on_gpu = ray.remote(max_retries=0, max_calls=GPU_CALLS_PER_PROCESS)(_work)


def fetch(ref: ray.ObjectRef) -> Any:
    """Return a task's result; its error comes as it was raised, without Ray's wrapping."""
    try:
        return ray.get(ref)
    except RayTaskError as error:
        raise unwrap(error) from None


def unwrap(error: Exception) -> Exception:
    """Return the error that a task raised, out of Ray's wrapping."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def submit(
    recipe: Recipe, task: ShardTask, *, items: int, num_cpus: float, num_gpus: float
) -> ray.ObjectRef:
    """Start a task with its resources; `items` scales its time-out."""
    remote = shard_on_gpu if num_gpus > 0 else shard_on_cpu
    name = f"{recipe.name} {task.shard.index:05d}"
    return remote.options(num_cpus=num_cpus, num_gpus=num_gpus, name=name).remote(
        recipe, task, items
    )
