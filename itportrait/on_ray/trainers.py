"""Domains as Ray Train runs: any number of workers, checkpoints on the bank's storage, resume.

A run is named `DOMAIN-FINGERPRINT`, and Ray Train finds a run of the same name and storage again:
that is how a killed job goes on where it was. Another configuration has another fingerprint.
"""

import json
import logging
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray

from itportrait.bank.store import Bank, BankVersion
from itportrait.documents import build, parse_object
from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.execution.executor import SYSTEM_CLOCK, Clock
from itportrait.io import uris
from itportrait.io.names import resolve_local
from itportrait.jobs.domain_job import DomainJob, TrainConfig
from itportrait.jobs.interrupted import CHECKPOINT, STATE, reason_to_start_anew
from itportrait.jobs.trained_domain import (
    RESULT,
    TrainedDomain,
    collect_result,
    reference_images,
    short_params,
)
from itportrait.on_ray.tasks import lost_with_machine
from itportrait.text import shown

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
        result = fit_patiently(fit, deadline_s=train.deadline_s)
    except Exception as error:
        raise ItportraitError(f"domain {job.spec.name!r}: {_first_cause(error)}") from error
    if result.checkpoint is None:
        raise ItportraitError(f"domain {job.spec.name!r} ended without a checkpoint")
    with result.checkpoint.as_directory() as folder:
        return _read_result(job, Path(folder))


def _fit(job: DomainJob, train: TrainConfig, storage: str) -> Any:
    """Begin a run, or go on with it; one trainer fits once."""
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    gpus = _gpus_per_worker(train)
    fewest = train.min_workers or train.num_workers
    workers = train.num_workers if fewest == train.num_workers else (fewest, train.num_workers)
    trainer = TorchTrainer(
        _train_loop,
        train_loop_config={"job": job, "deadline_s": train.deadline_s},
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


def fit_patiently(
    fit: Callable[[], Any],
    *,
    deadline_s: float,
    first_pause_s: float = 15.0,
    longest_pause_s: float = 300.0,
    clock: Clock = SYSTEM_CLOCK,
    sleep: Callable[[float], None] = time.sleep,
) -> Any:
    """Run a training, again after a pause where the machine ended it and not the training itself.

    Every run goes on from the last checkpoint. Short memory and lost nodes are waited out; other
    failures have had their retries within the run.

    Args:
        fit: the training.
        deadline_s: seconds after which no further run begins.
        first_pause_s: pause after the first run; it doubles.
        longest_pause_s: bound of the pause.
        clock: time.
        sleep: how to pause.
    """
    began, pause = clock.monotonic(), first_pause_s
    while True:
        try:
            return fit()
        except Exception as error:
            late = clock.monotonic() + pause - began > deadline_s
            if late or not lost_with_machine(error):
                raise
        sleep(pause)
        pause = min(2 * pause, longest_pause_s)


def publish_trained(trained: TrainedDomain, bank: Bank, *, storage: str) -> BankVersion:
    """Publish a result as champion and remove the checkpoints of its run."""
    version = bank.publish(trained.version(), trained.files)
    uris.remove(uris.join(storage, trained.job.run_name), recursive=True)
    return version


class TrainerPool:
    """Several trainings at once, as many as fit; the rest wait their turn.

    Args:
        train: resources of one.
        cores: of the cluster that trainings may use.
        gpus: of the cluster.
    """

    def __init__(self, train: TrainConfig, *, cores: float, gpus: float) -> None:
        fitting = int(cores // (train.num_workers * train.cpus_per_worker))
        per_worker = _gpus_per_worker(train)
        if per_worker:
            fitting = min(fitting, int(gpus // (train.num_workers * per_worker)))
        self.limit = max(train.max_concurrent or fitting, 1)
        # Daemon threads: `fit` cannot be interrupted, and a stopped job must end within seconds.
        self._slots = threading.Semaphore(self.limit)

    def submit(self, function: Callable[[], Any], name: str) -> Future:
        """Run a function when there is room; its result or error is in the future."""
        future: Future = Future()

        def run() -> None:
            with self._slots:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    future.set_result(function())
                except BaseException as error:
                    future.set_exception(error)

        threading.Thread(target=run, name=f"train {name}", daemon=True).start()
        return future


def _train_loop(config: dict[str, Any]) -> None:
    """Run in every worker: adapt, report, and let rank 0 store what is to be kept."""
    import torch
    from ray import train

    from itportrait.adapt import adapt_domain
    from itportrait.engine.stage_functions import warm_bundle
    from itportrait.on_ray.torch_workers import TorchWorkers

    _choose_temporary_folder()
    job: DomainJob = config["job"]
    context = train.get_context()
    rank, count = context.get_world_rank(), context.get_world_size()
    device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
    bundle = warm_bundle(job.bundle, device)
    references = reference_images(job.spec.references, job.pictures, bundle, job.align)
    reporter = _Reporter(job, rank, time.monotonic() + config["deadline_s"])
    try:
        result = adapt_domain(
            bundle,
            job.spec,
            job.adapt,
            references=references or None,
            workers=TorchWorkers(rank, count, device) if count > 1 else None,
            fingerprint=job.fingerprint,
            resume_state=_load_state(),
            on_start=reporter.start if rank == 0 else None,
            on_report=reporter.report,
        )
    except BaseException:
        reporter.finish("FAILED")
        raise
    reporter.finish_with(result, bundle.model_id, references)


def _choose_temporary_folder() -> None:
    """Leave a TMPDIR whose name is not UTF-8: pyarrow carries the checkpoints and refuses it."""
    given = tempfile.gettempdir()
    if shown(given) != given:
        tempfile.tempdir = os.environ.get("RAY_TMPDIR") or "/tmp"


class _Reporter:
    """Numbers to Ray Train from every rank; checkpoints and the tracked run from rank 0."""

    def __init__(self, job: DomainJob, rank: int, deadline: float) -> None:
        from itportrait.tracking import open_tracker

        self.job, self.rank, self.deadline = job, rank, deadline
        self.run = None
        target = job.tracking
        if rank == 0:
            parent = open_tracker(
                target.uri,
                target.parent or job.spec.name,
                experiment=target.experiment,
                spool=target.spool,
            )
            self.run = parent.child(job.spec.name, key=job.run_name, tags=job.tags)
            self.run.log_params(short_params(job.spec.model_dump(mode="json"), job.bundle))
            text = uris.to_json(job.spec.model_dump(mode="json")).decode()
            self.run.log_text("spec.json", uris.redact(text))

    def start(self, report) -> None:
        """Show the unadapted generator at step 0: where the curves begin."""
        self._track(report)

    def report(self, report) -> None:
        """Hand a probe's numbers on; on rank 0 with a checkpoint."""
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"domain {self.job.spec.name!r} ran past its deadline")
        metrics = {"step": report.step, **report.metrics}
        if self.rank != 0 or report.last:  # after the last one follows the result itself
            _report_to_ray(metrics, None)
        else:
            _report_to_ray(metrics, lambda folder: _save_state(folder, report.state()))
        self._track(report)  # after the checkpoint, so that a retry repeats as little as it can

    def _track(self, report) -> None:
        from itportrait.tracking import probe_image_key

        if self.run is None:
            return
        self.run.log_metrics(report.metrics, step=report.step)
        for index, pixels in enumerate(report.images):
            self.run.log_image(probe_image_key(index), pixels, step=report.step)

    def finish_with(self, result, model_id: str, references: Sequence) -> None:
        """Store the result; on rank 0 close the tracked run with its final scalars."""
        metrics = {"step": result.step, **result.metrics}
        if self.rank != 0:
            _report_to_ray(metrics, None)
            return
        trained = collect_result(self.job, result, model_id, references)
        about = {name: getattr(trained, name) for name in ("base_model_id", "metrics", "info")}
        files = {**trained.files, RESULT: json.dumps(about).encode()}
        _report_to_ray(metrics, lambda folder: _save_files(folder, files))
        if self.run is not None:
            # At step 0 in every domain, though each chose its own: the UI then draws a bar a run,
            # and shows the pictures of all runs at one place of its slider.
            finals = {f"final/{name}": value for name, value in result.metrics.items()}
            self.run.log_metrics(finals, step=0)
            self.run.set_tags({"step": str(result.step)})
            for index, pixels in enumerate(result.images):
                self.run.log_image(f"final/face_{index:03d}", pixels, step=0)
            self.finish("FINISHED")

    def finish(self, status: str) -> None:
        """Close the tracked run."""
        if self.run is not None:
            self.run.finish(status)


def _report_to_ray(metrics: dict[str, Any], save: Callable[[Path], None] | None) -> None:
    from ray import train

    if save is None:
        train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        # A name of its own for every attempt: an orphan of a killed one is never mixed up with it.
        name = f"{CHECKPOINT}{metrics['step']:06d}-{uuid.uuid4().hex[:8]}"
        train.report(
            metrics,
            checkpoint=train.Checkpoint.from_directory(folder),
            checkpoint_dir_name=name,
        )


def _save_state(folder: Path, state: dict[str, Any]) -> None:
    import torch

    torch.save(state, folder / STATE)


def _save_files(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _load_state() -> dict[str, Any] | None:
    import torch
    from ray import train

    checkpoint = train.get_checkpoint()
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as folder:
        path = Path(folder) / STATE
        return torch.load(path, weights_only=True, map_location="cpu") if path.exists() else None


def _read_result(job: DomainJob, folder: Path) -> TrainedDomain:
    if not (folder / RESULT).exists():
        raise ItportraitError(f"domain {job.spec.name!r} ended before its result was stored")
    source = f"{RESULT} of domain {job.spec.name!r}"
    about = build(_Result, parse_object((folder / RESULT).read_bytes(), source), source)
    names = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RESULT and not path.name.startswith(".")
    ]
    # The folder lies in the bank, which may be of others: no link in it brings a file of the user.
    files = {name: resolve_local(folder, name, what=source).read_bytes() for name in names}
    return TrainedDomain(job=job, files=files, **vars(about))


@dataclass(frozen=True)
class _Result:
    """What a finished training says of itself, beside its files."""

    base_model_id: str
    metrics: dict[str, int | float]
    info: dict[str, Any]


def _gpus_per_worker(train: TrainConfig) -> float:
    if train.gpus_per_worker is not None:
        return train.gpus_per_worker
    return 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0


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
