"""Train domains as runs of Ray Train: any number of workers, checkpoints on the bank's storage,
resume.

A run is named `DOMAIN-FINGERPRINT`, and Ray Train finds a run of the same name and storage again:
that is how a killed job goes on where it was. Another configuration has another fingerprint.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import ray

from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.io import uris
from itportrait.on_ray.fits import fitting
from itportrait.on_ray.tasks import lost_with_machine
from itportrait.on_ray.train_worker import train_loop
from itportrait.text import shown
from itportrait.training.domain_job import DomainJob, TrainConfig
from itportrait.training.files import read_result
from itportrait.training.interrupted import reason_to_start_anew
from itportrait.training.patience import fit_patiently
from itportrait.training.pool import gpus_per_worker
from itportrait.training.trained_domain import TrainedDomain

logger = logging.getLogger(__name__)


def train_domain(job: DomainJob, train: TrainConfig, *, storage: str) -> TrainedDomain:
    """Train one domain to its end, or go on with a run that was interrupted; blocks.

    Args:
        job: the domain.
        train: workers, retries, deadline.
        storage: folder or URI that all workers reach, for checkpoints.

    Raises:
        ItportraitError: the training failed for good; says why.
    """
    anew = reason_to_start_anew(job, storage)
    if anew:
        logger.warning("%s", anew)
    try:
        fit = partial(_fit, job, train, storage)
        with fitting():
            result = fit_patiently(fit, lost_with_machine, deadline_s=train.deadline_s)
    except Exception as error:
        raise ItportraitError(f"domain {job.spec.name!r}: {_first_cause(error)}") from error
    if result.checkpoint is None:
        raise ItportraitError(f"domain {job.spec.name!r} ended without a checkpoint")
    with result.checkpoint.as_directory() as folder:
        return read_result(job, Path(folder))


def _fit(job: DomainJob, train: TrainConfig, storage: str) -> Any:
    """Begin a run, or go on with it; one trainer fits once."""
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    gpus = gpus_per_worker(train, ray.cluster_resources().get("GPU", 0))
    fewest = train.min_workers or train.num_workers
    workers = train.num_workers if fewest == train.num_workers else (fewest, train.num_workers)
    trainer = TorchTrainer(
        train_loop,
        train_loop_config={"job": job, "storage": storage, "deadline_s": train.deadline_s},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": train.cpus_per_worker, **({"GPU": gpus} if gpus else {})},
        ),
        run_config=RunConfig(
            name=job.run_name,
            checkpoint_config=CheckpointConfig(num_to_keep=train.checkpoints_kept),
            failure_config=FailureConfig(
                max_failures=train.max_failures, controller_failure_limit=train.controller_failures
            ),
            **_storage(storage),
        ),
    )
    return trainer.fit()


def _storage(uri: str) -> dict[str, Any]:
    """Return Ray Train's storage arguments; remote ones through fsspec, as all else here.

    The file system is always given: Ray would read a path as a URI, with `%`, `#` and `?` in it.
    """
    from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

    fs, path = uris.open_fs(uri)
    if not uris.is_local(uri):
        return {"storage_path": path, "storage_filesystem": PyFileSystem(FSSpecHandler(fs))}
    if shown(path) != path:
        raise InvalidArgumentError(
            "the bank's folder",
            expected="a name in UTF-8, since Ray Train keeps its checkpoints there",
            actual=repr(uris.redact(uri)),
            remedy="rename it, or adapt into another bank",
        )
    return {"storage_path": path, "storage_filesystem": LocalFileSystem()}


def _first_cause(error: BaseException) -> str:
    """Return the innermost reason of a failed run in one line."""
    seen: BaseException = error
    failures = getattr(error, "worker_failures", None)
    if failures:
        seen = next(iter(failures.values()))
    while True:
        inner = getattr(seen, "cause", None) or seen.__cause__
        if not isinstance(inner, BaseException) or inner is seen:
            break
        seen = inner
    lines = [line for line in str(seen).splitlines() if line.strip()] or [type(seen).__name__]
    return uris.redact(f"{type(seen).__name__}: {lines[-1].strip()}")
