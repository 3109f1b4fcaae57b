"""Domains as Ray Train runs: any number of workers, checkpoints on the bank's storage, resume.

A run is named `DOMAIN-FINGERPRINT`, and Ray Train finds a run of the same name and storage again:
that is how a killed job goes on where it was. Another configuration has another fingerprint.
"""

import io
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from pydantic import Field

from itportrait.adapt.config import AdaptConfig, DomainSpec, resolve
from itportrait.align.config import AlignConfig
from itportrait.config import Settings, fingerprint
from itportrait.errors import ItportraitError, NoInputError
from itportrait.io import uris
from itportrait.publish.bank import Bank, BankVersion

ADAPT_VERSION = 1
"""Raised when the code of adaptation changes its results: every domain is then made again."""
ADAPTER, IMAGE_ADAPTER, RESULT = "adapter.safetensors", "image_adapter.safetensors", "result.json"
_STATE = "state.pt"


class TrainConfig(Settings):
    """How a domain's training is spread, retried and bounded."""

    num_workers: int = Field(default=1, ge=1)
    """Number of workers of one domain; each draws its own codes and cameras."""
    min_workers: int | None = None
    """Fewest workers to go on with when nodes are lost; None: always `num_workers`."""
    cpus_per_worker: float = Field(default=1.0, gt=0)
    """Cores of a worker."""
    gpus_per_worker: float | None = Field(default=None, ge=0)
    """GPUs of a worker; None: 1 where the cluster has any, else 0."""
    max_concurrent: int | None = Field(default=None, ge=1)
    """Number of domains trained at once; None: as many as the cluster holds."""
    max_failures: int = Field(default=3, ge=0)
    """Number of restarts of the workers from the last checkpoint."""
    controller_failures: int = Field(default=3, ge=0)
    """Number of restarts of the run's controller, failed starts included."""
    deadline_s: float = Field(default=6 * 3600.0, gt=0)
    """Time limit of a run, in seconds; then it is given up."""
    checkpoints_kept: int = Field(default=2, ge=1)
    """Number of checkpoints kept while a run goes on."""


@dataclass(frozen=True, kw_only=True)
class TrackingTarget:
    """Where a run's curves and pictures go.

    Args:
        uri: MLflow tracking URI; "none" for nowhere.
        experiment: its experiment.
        parent: name and key of the parent run.
        spool: folder for what the service cannot take.
    """

    uri: str = "none"
    experiment: str = "style-bank"
    parent: str = ""
    spool: str | None = None


@dataclass(frozen=True, kw_only=True)
class DomainJob:
    """All that a training needs, as plain data.

    Args:
        bundle: URI of the base model.
        spec: the domain.
        adapt: how; the domain's options are laid over it.
        align: how reference pictures are aligned.
        fingerprint: from `domain_fingerprint`.
        tracking: where curves go.
    """

    bundle: str
    spec: DomainSpec
    adapt: AdaptConfig
    align: AlignConfig
    fingerprint: str
    tracking: TrackingTarget = field(default_factory=TrackingTarget)

    @property
    def run_name(self) -> str:
        """Return the name under which Ray Train finds the run again."""
        return f"{self.spec.name}-{self.fingerprint}"

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of its tracked run."""
        return {"domain": self.spec.name, "fingerprint": self.fingerprint, **self.spec.tags}


@dataclass(frozen=True, kw_only=True)
class TrainedDomain:
    """What a finished training left.

    Args:
        job: what was asked for.
        base_model_id: the model it belongs to.
        metrics: of the chosen step.
        info: chosen step, pair reports, seconds.
        files: adapter, preview, curve, references, by path under a version's folder.
    """

    job: DomainJob
    base_model_id: str
    metrics: dict[str, float]
    info: dict[str, Any]
    files: dict[str, bytes] = field(repr=False)

    def version(self, name: str | None = None) -> BankVersion:
        """Return the card of this result as a version of a bank (default name: fingerprint)."""
        spec = self.job.spec
        return BankVersion(
            domain=spec.name,
            version=name or self.job.fingerprint,
            fingerprint=self.job.fingerprint,
            base_model_id=self.base_model_id,
            spec=spec.portable(),
            metrics=self.metrics,
            info={
                **self.info,
                "base": uris.redact(self.job.bundle),
                "align": self.job.align.model_dump(mode="json"),
            },
            references=tuple(sorted(path for path in self.files if path.startswith("references/"))),
        )


def domain_fingerprint(
    spec: DomainSpec, adapt: AdaptConfig, align: AlignConfig, model_id: str
) -> str:
    """Return a digest of specification, reference contents, base model and code version.

    Raises:
        NoInputError: a reference picture cannot be read; names it.
        InvalidArgumentError: an option of the domain is unknown or invalid.
    """
    plain = spec.model_dump(mode="json", exclude={"tags", "license", "references", "options"})
    contents = []
    for uri in spec.references:
        try:
            contents.append(uris.read_bytes(uri))
        except OSError as error:
            raise NoInputError(
                f"reference {uris.redact(uri)} of domain {spec.name!r} cannot be read: {error}"
            ) from error
    used = align if spec.references else None
    return fingerprint(plain, resolve(spec, adapt), used, model_id, contents, ADAPT_VERSION)


def train_domain(job: DomainJob, train: TrainConfig, *, storage: str) -> TrainedDomain:
    """Train one domain to its end, or go on with a run that was interrupted; blocks.

    Args:
        job: the domain.
        train: workers, retries, deadline.
        storage: folder or URI that all workers reach, for checkpoints.

    Raises:
        ItportraitError: the training failed for good; says why.
    """
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
    try:
        result = trainer.fit()
    except Exception as error:
        raise ItportraitError(f"domain {job.spec.name!r}: {_first_cause(error)}") from error
    if result.checkpoint is None:
        raise ItportraitError(f"domain {job.spec.name!r} ended without a checkpoint")
    with result.checkpoint.as_directory() as folder:
        return _read_result(job, Path(folder))


def publish_trained(trained: TrainedDomain, bank: Bank, *, storage: str) -> BankVersion:
    """Publish a result as champion and remove the checkpoints of its run."""
    version = bank.publish(trained.version(), trained.files)
    uris.remove(uris.join(storage, trained.job.run_name), recursive=True)
    return version


def training_storage(bank: str) -> str:
    """Return where the runs of a bank keep their checkpoints."""
    return uris.absolute(uris.join(bank, "_training"))


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
    from itportrait.distributed.kernels import warm_bundle
    from itportrait.distributed.torch_workers import TorchWorkers

    job: DomainJob = config["job"]
    context = train.get_context()
    rank, count = context.get_world_rank(), context.get_world_size()
    device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
    bundle = warm_bundle(job.bundle, device)
    references = reference_images(job.spec.references, bundle, job.align)
    reporter = _Reporter(job, rank, time.monotonic() + config["deadline_s"])
    try:
        result = adapt_domain(
            bundle,
            job.spec,
            job.adapt,
            references=references or None,
            workers=TorchWorkers(rank, count, device) if count > 1 else None,
            resume_state=_load_state(),
            on_start=reporter.start if rank == 0 else None,
            on_report=reporter.report,
        )
    except BaseException:
        reporter.finish("FAILED")
        raise
    reporter.finish_with(result, bundle.model_id, references)


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
            self.run.log_text("spec.json", uris.redact(job.spec.model_dump_json(indent=1)))

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
        name = f"checkpoint-{metrics['step']:06d}-{uuid.uuid4().hex[:8]}"
        train.report(
            metrics,
            checkpoint=train.Checkpoint.from_directory(folder),
            checkpoint_dir_name=name,
        )


def _save_state(folder: Path, state: dict[str, Any]) -> None:
    import torch

    torch.save(state, folder / _STATE)


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
        path = Path(folder) / _STATE
        return torch.load(path, weights_only=True, map_location="cpu") if path.exists() else None


def reference_images(references: Sequence[str], bundle, align: AlignConfig) -> list:
    """Return reference pictures aligned as portraits are, each with its camera.

    A picture in which no face is found (a drawing far from a photo) is taken as aligned already
    if it is square; its camera is then estimated by the adaptation.

    Raises:
        NoInputError: a picture cannot be read.
        InvalidArgumentError: no face was found and the picture is not square.
    """
    from itportrait.adapt import Reference, load_references
    from itportrait.align import Aligner
    from itportrait.records import Source, Status

    aligner = Aligner.of_bundle(align, bundle)
    found = []
    for uri in references:
        rows = aligner.align(Source(uri=uri))
        row = next((row for row in rows if row.status is Status.OK), None)
        if row is None or row.pixels is None:
            found += load_references([uri])
        else:
            found.append(Reference(row.pixels, row.camera, uris.redact(uri)))
    return found


def collect_result(job: DomainJob, result, model_id: str, references: Sequence) -> TrainedDomain:
    """Turn an `AdaptResult` into what a bank keeps of it."""
    info = {"step": result.step, "pairs": result.pairs, "fit": result.adapter.info.get("fit")}
    trained = TrainedDomain(
        job=job,
        base_model_id=model_id,
        metrics=result.metrics,
        info=info,
        files=_result_files(result, references),
    )
    return replace(trained, files={**trained.files, "card.md": _card(trained).encode()})


def _result_files(result, references: Sequence) -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from itportrait.image import encode
    from itportrait.publish.contact_sheet import contact_sheet

    files = {ADAPTER: result.adapter.to_bytes()}
    if result.image_adapter is not None:
        files[IMAGE_ADAPTER] = result.image_adapter.to_bytes()
    pictures = list(result.images)
    if pictures:
        sheet = contact_sheet([pictures], columns=[f"face {i}" for i in range(len(pictures))])
        files["preview.png"] = encode(sheet)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(result.curve), buffer)
    files["curve.parquet"] = buffer.getvalue()
    for index, reference in enumerate(references):
        files[f"references/{index:03d}.png"] = encode(reference.pixels)
    return files


def _read_result(job: DomainJob, folder: Path) -> TrainedDomain:
    if not (folder / RESULT).exists():
        raise ItportraitError(f"domain {job.spec.name!r} ended before its result was stored")
    about = json.loads((folder / RESULT).read_text())
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RESULT and not path.name.startswith(".")
    }
    return TrainedDomain(job=job, files=files, **about)


def _card(trained: TrainedDomain) -> str:
    spec = trained.job.spec
    lines = [f"# {spec.name}", "", f"- mode: {spec.mode}", f"- method: {spec.method}"]
    if spec.prompt:
        lines.append(f"- prompt: {spec.prompt} (from: {spec.source_prompt})")
    if spec.references:
        lines.append(
            f"- reference pictures: {len(spec.references)}; license: {spec.license or '-'}"
        )
    lines += [f"- base model: {trained.base_model_id}", f"- step: {trained.info.get('step')}", ""]
    lines += ["| metric | value |", "| --- | --- |"]
    lines += [f"| {name} | {value:.4g} |" for name, value in sorted(trained.metrics.items())]
    return "\n".join(lines) + "\n"


def short_params(spec: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return what the tracked run of a domain shows of its specification, the same for all."""
    names = ("mode", "method", "prompt", "steps", "train", "seed")
    return {**{name: "" if spec.get(name) is None else spec[name] for name in names}, "base": base}


def _gpus_per_worker(train: TrainConfig) -> float:
    if train.gpus_per_worker is not None:
        return train.gpus_per_worker
    return 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0


def _storage(uri: str) -> dict[str, Any]:
    """Return Ray Train's storage arguments; remote ones through fsspec, as all else here."""
    if uris.is_local(uri):
        return {"storage_path": uri}
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    fs, path = uris.open_fs(uri)
    return {"storage_path": path, "storage_filesystem": PyFileSystem(FSSpecHandler(fs))}


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


def job_json(job: DomainJob) -> dict[str, Any]:
    """Return a job as plain data, for run.json."""
    return {
        "spec": job.spec.model_dump(mode="json"),
        "fingerprint": job.fingerprint,
        "tracking": asdict(job.tracking),
    }
