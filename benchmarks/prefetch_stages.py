"""Stages that sleep for as long as the real ones compute, for `bm_prefetch`.

What they compute on a GPU, they hold the one simulated GPU for, and write down from when to when.
"""

import fcntl
import json
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from itportrait.records import AlignedRecord, InvertedRecord, StylizedRecord, content_id
from itportrait.stages.recipe import Recipe
from itportrait.stages.stage import StageFunction

BUILDER = "benchmarks.prefetch_stages:build"
PLAN, USED, LOCK = "plan.json", "used.log", "gpu.lock"
"""Files beside the job's output: seconds of a portrait by stage, spans of the GPU, the GPU."""
_PIXELS = np.zeros((8, 8, 3), np.uint8)


def build(recipe: Recipe) -> StageFunction:
    """Return the function of a stage that sleeps."""
    folder = Path(recipe.output).parent
    plan = json.loads((folder / PLAN).read_text())
    if not recipe.takes_photos:
        _load_models(plan["load_s"])
    return lambda items: _sleep(recipe, folder, plan[recipe.stage], items)


@lru_cache(maxsize=1)
def _load_models(seconds: float) -> None:
    """Take the time of a process that gets its models onto the GPU: once."""
    time.sleep(seconds)


def _sleep(recipe: Recipe, folder: Path, plan: dict[str, float], items: Any) -> list[list[Any]]:
    count = len(items)
    time.sleep(plan["cpu_s"] / 2 * count)  # decode, or the first half of aligning
    if plan["gpu_s"]:
        with (folder / LOCK).open("w") as gpu:
            fcntl.flock(gpu, fcntl.LOCK_EX)
            began = time.time()
            time.sleep(plan["gpu_s"] * count)
            with (folder / USED).open("a") as log:
                log.write(f"{began} {time.time()} {recipe.stage}\n")
    time.sleep(plan["cpu_s"] / 2 * count)  # encode, or the second half
    return [[_row(recipe, item)] for item in items]


def _row(recipe: Recipe, item: Any) -> Any:
    if recipe.takes_photos:
        record_id = content_id(item.uri)
        return AlignedRecord(
            record_id=record_id, uri=item.uri, camera=np.arange(25.0), pixels=_PIXELS
        )
    if recipe.definition.per_domain:
        names = {"domain": recipe.domain, "version": recipe.version}
        return StylizedRecord(record_id=item[0].record_id, pixels=(_PIXELS,), **names)
    code = np.zeros(16, np.float32)
    return InvertedRecord(record_id=item.record_id, camera=item.camera, w_plus=code)
