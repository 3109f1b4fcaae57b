"""Fast computations in place of the models, for tests of the engine alone.

Tasks, tables and Ray are the real ones. What a photo does is told by its file name.
"""

import fcntl
import hashlib
import os
import time
from pathlib import Path

import numpy as np

from itportrait.errors import DecodeError, RecordRejectedError
from itportrait.io import uris
from itportrait.records import (
    AlignedRecord,
    InvertedRecord,
    RecordError,
    StylizedRecord,
    content_id,
    given_digest,
)
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN
from itportrait.stages.stage import StageFunction
from tests.helpers.flaky_storage import fail_every, work_again

ALIGN, INVERT, STYLIZE = CHAIN

BUILDER = "tests.engine.fake_stages:build"
FLAKY = "tests.engine.fake_stages:build_on_flaky_storage"
STORAGE_FAILS_EVERY = 5


def recipe(
    stage: str, output, *, log=None, builder: str = BUILDER, config="{}", **values
) -> Recipe:
    """Return a recipe of the fake stages; every computation leaves a line in the folder `log`."""
    return Recipe(
        stage=stage,
        output=str(output),
        config=config,
        bundle=str(log or ""),
        builder=builder,
        timeout_s=values.pop("timeout_s", 120.0),
        item_timeout_s=values.pop("item_timeout_s", 30.0),
        **values,
    )


def chain(output, domains=("bronze",), **values) -> list[Recipe]:
    """Return the recipes of all stages."""
    styles = [recipe(STYLIZE, output, domain=d, version="1", **values) for d in domains]
    return [recipe(ALIGN, output, **values), recipe(INVERT, output, **values), *styles]


def computed(log, stage: str) -> list[str]:
    """Return what a stage has computed since the log began, repeats included."""
    path = Path(log) / f"{stage}.log"
    return path.read_text().split() if path.exists() else []


def build(recipe: Recipe) -> StageFunction:
    """Return the computation of a stage."""
    work_again()
    return _function(recipe)


def _function(recipe: Recipe) -> StageFunction:
    if recipe.stage == ALIGN:
        return lambda sources: [[_align(source, recipe)] for source in sources]
    if recipe.stage == INVERT:
        return lambda photos: [[_invert(photo, recipe)] for photo in photos]
    return lambda pairs: [[_stylize(*pair, recipe)] for pair in pairs]


def build_on_flaky_storage(recipe: Recipe) -> StageFunction:
    """The same, in a process whose storage fails every n-th time from now on."""
    fail_every(STORAGE_FAILS_EVERY, first=1)
    return _function(recipe)


def _note(recipe: Recipe, stage: str, name: str) -> None:
    if recipe.bundle:
        with (Path(recipe.bundle) / f"{stage}.log").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"{name}\n")


def _align(source, recipe: Recipe) -> AlignedRecord:
    name = source.uri.rsplit("/", 1)[-1]
    _note(recipe, "align", name)
    data = uris.read_bytes(source.uri) if source.data is None else source.data
    digest = hashlib.sha256(data).hexdigest()
    record_id = content_id(digest, given=given_digest(source))
    known = {"record_id": record_id, "uri": source.uri, "sha256": digest}
    if "poison" in name:
        os.kill(os.getpid(), 9)
    if "hang" in name or "slow" in name:
        time.sleep(3600 if "hang" in name else 0.3)
    if short := _short_of_memory(name):
        if "fenced" not in name:
            raise short
        status, reason = RecordError.of("align", short)
        return AlignedRecord(**known, status=status, error=reason)
    try:
        if "broken" in name:
            raise DecodeError(f"{name} is not a picture")
        if "noface" in name or f'"{name}"' in recipe.config:
            raise RecordRejectedError("no_face", "no face found")
    except (DecodeError, RecordRejectedError) as error:
        status, reason = RecordError.of("align", error)
        return AlignedRecord(**known, status=status, error=reason)
    if "defect" in name:
        raise KeyError("a defect of the stage")
    pixels = np.frombuffer(hashlib.sha256(data).digest() * 6, np.uint8).reshape(8, 8, 3)
    return AlignedRecord(**known, camera=np.arange(25.0), pixels=pixels, face_confidence=0.99)


def _short_of_memory(name: str) -> Exception | None:
    """Return the error of a photo that needs too much: Python's, torch's on a GPU, or on a CPU."""
    if "greedy" in name or "fenced" in name:
        return MemoryError("no memory for 900 GB")
    if "cuda" in name:
        import torch

        return torch.OutOfMemoryError("CUDA out of memory")
    if "torch" in name:
        return RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    return None


def _invert(photo: AlignedRecord, recipe: Recipe) -> InvertedRecord:
    _note(recipe, "invert", photo.uri.rsplit("/", 1)[-1])
    assert photo.pixels is not None
    code = photo.pixels.astype(np.float32).reshape(-1) / 255
    return InvertedRecord(
        record_id=photo.record_id,
        camera=photo.camera,
        w_plus=code,
        psnr=30.0,
        steps=1,
        weights=photo.pixels.tobytes() if "tuned" in photo.uri.rsplit("/", 1)[-1] else None,
    )


def _stylize(photo: AlignedRecord, code: InvertedRecord, recipe: Recipe) -> StylizedRecord:
    _note(recipe, f"stylize-{recipe.domain}", photo.uri.rsplit("/", 1)[-1])
    assert photo.pixels is not None
    return StylizedRecord(
        record_id=code.record_id,
        domain=recipe.domain,
        version=recipe.version,
        views=2,
        identity=0.9,
        pixels=(255 - photo.pixels, photo.pixels),
    )
