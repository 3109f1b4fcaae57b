"""The pieces of the main job: recipes, domains, gallery, files, run.json and the report."""

import datetime as dt
import json
import logging
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import ray

import itportrait
from itportrait.adapt.config import DomainSpec
from itportrait.bank.store import Bank, BankVersion
from itportrait.config import fingerprint
from itportrait.engine.pieces import StageResources
from itportrait.engine.pipeline import Domain, Pipeline
from itportrait.engine.progress import Progress
from itportrait.engine.recipes import ALIGN, INVERT, STYLIZE, Recipe
from itportrait.engine.totals import Totals, cost_of
from itportrait.engine.window import WindowLimits
from itportrait.errors import ItportraitError, UnknownNameError
from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call
from itportrait.ingest import Skipped, in_eg3d_convention, list_sources
from itportrait.invert.config import InvertConfig
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.domain_job import (
    DomainJob,
    training_storage,
)
from itportrait.jobs.ready_made import (
    bundle_folder,
    find_champion,
    is_ready_made,
)
from itportrait.jobs.stylize.config import JobConfig, StageShare
from itportrait.jobs.stylize.deliverables import FOLDER as DELIVERABLES
from itportrait.jobs.stylize.deliverables import DeliverablesJob
from itportrait.jobs.stylize.gallery import FOLDER, GalleryJob, make_gallery
from itportrait.jobs.stylize.review import ReviewJob, make_review
from itportrait.jobs.trained_domain import publish_trained
from itportrait.jobs.training_pool import TrainingPool
from itportrait.on_ray.counters import count_shard
from itportrait.on_ray.job_tracking import JobTracking
from itportrait.on_ray.tasks import RayExecutor
from itportrait.on_ray.trainers import train_domain
from itportrait.pages.report import render_report
from itportrait.stages.shards import Shard, iter_shards

logger = logging.getLogger(__name__)

RUN, REPORT = "run.json", "report.html"


@dataclass
class StylizeJob:
    """The main job of one output folder, prepared on a connected Ray.

    Args:
        config: the whole configuration.
        model_id: of the bundle.
        retry_failed: compute failed records again.
    """

    config: JobConfig
    model_id: str
    retry_failed: bool = False
    totals: Totals = field(default_factory=Totals)

    def __post_init__(self) -> None:
        cluster = ray.cluster_resources()
        self.cores, self.gpus = cluster.get("CPU", 1.0), cluster.get("GPU", 0.0)
        self.bank = Bank(self.config.bank)
        self.align = self._recipe(ALIGN)
        self.invert = self._recipe(INVERT)
        self._pool: TrainingPool | None = None
        self.tracking = JobTracking(self.config.tracking, parent="stylize_dataset")
        self.deliverables: dict[str, Any] = {}
        self.skipped = Skipped()
        self.domains = [self._domain(domain) for domain in self.config.domains]
        self.started = dt.datetime.now(dt.UTC)

    def shards(self) -> Iterator[Shard]:
        """Stream the inputs as shards, and count in `skipped` what is passed over.

        Raises:
            ItportraitError: nothing was found; names the URI and the patterns tried.
        """
        ingest = self.config.ingest
        listing = list_sources(self.config.input, patterns=ingest.patterns)
        self.skipped = listing.skipped
        sources = in_eg3d_convention(listing, ingest.camera_convention)
        return iter_shards(sources, self.config.shard_size())

    def pipeline(self, progress: Progress | None = None, lease: Lease | None = None) -> Pipeline:
        """Return the engine, ready to run or to plan."""
        settings, resources = self.config.resources, self.resources()
        slots = int(self.cores // max(min(share.num_cpus for share in resources.values()), 0.25))
        limits = WindowLimits(
            in_flight=settings.in_flight or 2 * max(slots, 1),
            storage_retries=settings.storage_retries,
            crash_retries=settings.crash_retries,
            node_retries=settings.node_retries,
            memory_wait_s=settings.memory_wait_s,
        )
        return Pipeline(
            self.align,
            self.invert,
            self.domains,
            executor=RayExecutor(),
            limits=limits,
            resources=resources,
            totals=self.totals,
            progress=progress,
            lease=lease,
            on_shard=count_shard,
        )

    def resources(self) -> dict[str, StageResources]:
        """Return what a task takes of the cluster, by stage."""
        settings = self.config.resources
        shares = {ALIGN: settings.align, INVERT: settings.invert, STYLIZE: settings.stylize}
        return {
            stage: StageResources(share.cpus, self._gpus_of(share))
            for stage, share in shares.items()
        }

    def publish(self) -> str | None:
        """Make the review page and the gallery unless they stand.

        Returns:
            URI of the gallery's page, None if none is wanted.
        """
        shown = self._shown()
        review = ReviewJob(portraits=self.config.publish.review, **shown)
        if review.portraits and not review.stands() and self.totals.stage(ALIGN).inputs:
            call = Call(function=make_review, args=(review,), name="review page")
            run_patiently(RayExecutor(), call)
        if self.config.publish.portraits == 0 or not shown["stylize"]:
            return None
        job = GalleryJob(
            portraits=self.config.publish.portraits,
            turntables=self.config.publish.turntables,
            counts=self.final_counts(),
            means={d.name: self._means(d.stage_name) for d in self.domains},
            **shown,
        )
        if not job.stands() and self.totals.stage(ALIGN).inputs:
            share = self.config.resources.stylize
            call = Call(
                function=make_gallery,
                args=(job,),
                name="gallery",
                num_cpus=share.cpus,
                num_gpus=self._gpus_of(share),
            )
            run_patiently(RayExecutor(), call)
        return uris.join(self.config.output, FOLDER, "index.html")

    def _shown(self) -> dict[str, Any]:
        """Return what the pages about this run have in common."""
        domains = (domain.recipe for domain in self.domains if domain.recipe)
        return {
            "output": self.config.output,
            "align": self.align,
            "invert": self.invert,
            "stylize": tuple(replace(recipe, retry_failed=False) for recipe in domains),
            "inputs": self._digest(),
        }

    def _digest(self) -> str:
        """Return a digest of all rows of all stages."""
        return fingerprint({n: s.digest for n, s in self.totals.stages.items()})

    def deliver(self, check: Callable[[], None]) -> str | None:
        """Make the files of every portrait that are asked for, unless they stand.

        Args:
            check: called at every turn; raises to stop.

        Returns:
            URI of their folder, None if none is wanted.
        """
        config = self.config.publish.deliverables
        recipes = tuple(domain.recipe for domain in self.domains if domain.recipe)
        if not config.kinds or not recipes:
            return None
        job = DeliverablesJob(
            output=self.config.output,
            config=config,
            stylize=recipes,
            shards=self.totals.shards,
            inputs=self._digest(),
        )
        made = job.standing()
        if made is None:
            # Only the pasting needs photos; to list them again keeps memory flat.
            numbers = (Shard(index, ()) for index in range(self.totals.shards))
            share = self.resources()[STYLIZE]
            made = job.run(
                self.shards() if config.pasted else numbers,
                resources=share,
                in_flight=2 * max(int(self.cores // max(share.num_cpus, 0.25)), 1),
                executor=RayExecutor(),
                check=check,
            )
        self.deliverables = made
        return uris.join(self.config.output, DELIVERABLES)

    def final_counts(self) -> dict[str, int]:
        """Return inputs by what became of them at the end: ok in all stages, rejected, failed."""
        aligned, inverted = self.totals.stage(ALIGN), self.totals.stage(INVERT)
        worst = {"rejected": inverted.rejected, "failed": inverted.failed}
        stylized = [self.totals.stage(d.stage_name) for d in self.domains if not d.error]
        for name in worst:
            worst[name] += max((getattr(stage, name) for stage in stylized), default=0)
            worst[name] += getattr(aligned, name)
        good = self.totals.listed - sum(worst.values())
        return {"ok": good, **worst}

    def write_run(self, status: str) -> None:
        """Write `OUT/report.html`, and `OUT/run.json` with the same figures."""
        data = self.run_data(status)
        page = render_report(data).encode()
        uris.put_bytes(uris.join(self.config.output, REPORT), page)
        uris.put_bytes(uris.join(self.config.output, RUN), uris.to_json(data))

    def run_data(self, status: str) -> dict[str, Any]:
        """Return what run.json holds: configuration, fingerprints, ids, counts, timings, cost."""
        now = dt.datetime.now(dt.UTC)
        recipes = [self.align, self.invert, *(d.recipe for d in self.domains if d.recipe)]
        stages, shares = {}, self.resources()
        for name, totals in self.totals.stages.items():
            share = shares[name.split()[0]]
            stages[name] = {**totals.to_json(), **totals.cost(share.num_cpus, share.num_gpus)}
        share = shares[STYLIZE]
        deliverables = {
            name: {
                **made,
                **cost_of(
                    made.get("seconds", 0.0) * share.num_cpus,
                    made.get("seconds", 0.0) * share.num_gpus,
                    made["portraits"],
                ),
            }
            for name, made in self.deliverables.items()
        }
        costs = [*stages.values(), *deliverables.values()]
        return {
            "status": status,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round((now - self.started).total_seconds(), 1),
            "itportrait": itportrait.__version__,
            "python": platform.python_version(),
            "config": _redacted(self.config.model_dump(mode="json")),
            "models": {"id": self.model_id, "key": _bundle_key(self.config.bundle)},
            "fingerprints": {recipe.name: recipe.fingerprint for recipe in recipes},
            "domains": {
                domain.name: {
                    "version": domain.recipe.version if domain.recipe else None,
                    "error": uris.redact(str(domain.error)) if domain.error else None,
                }
                for domain in self.domains
            },
            "inputs": self.totals.listed,
            "skipped": self.skipped.to_json(),
            "shards": self.totals.shards,
            "counts": self.final_counts(),
            "stages": stages,
            "deliverables": deliverables,
            "tracking": self.tracking.to_json(),
            "cost": cost_of(
                sum(item["cpu_seconds"] for item in costs),
                sum(item["gpu_seconds"] for item in costs),
                self.totals.listed,
            ),
        }

    def finish_tracking(self) -> None:
        """Close the parent of the runs of this job's domains, if there were any."""
        self.tracking.close()

    def failed_domains(self) -> list[Domain]:
        """Return the domains that could not be adapted."""
        return [domain for domain in self.domains if domain.error]

    def _recipe(self, stage: str, version: BankVersion | None = None) -> Recipe:
        share: StageShare = getattr(self.config.resources, stage)
        return self.config.recipe(
            stage,
            self.model_id,
            device="cuda" if self._gpus_of(share) > 0 else "cpu",
            retry_failed=self.retry_failed,
            version=version,
        )

    def _domain(self, domain: str | DomainSpec) -> Domain:
        """Take a domain from the bank, or prepare its adaptation where the bank lacks it."""
        if isinstance(domain, str):
            return self._named_domain(domain)
        job = DomainJob.of(
            domain,
            bundle=self.config.bundle,
            adapt=self.config.adapt,
            align=self.config.align,
            model_id=self.model_id,
            tracking=self.tracking.target,
        )
        found = job.find_in(self.bank)
        if found is not None:
            return Domain(domain.name, self._recipe(STYLIZE, found))
        return Domain(
            domain.name,
            None,
            lambda: self._trainers().submit(lambda: self._adapt(job), domain.name),
        )

    def _named_domain(self, name: str) -> Domain:
        """Take the champion of the bank, or the one that comes with the bundle."""
        try:
            found = find_champion(name, self.bank, self.config.bundle)
        except UnknownNameError as error:
            known = {*error.known, *self.config.domain_names()} - {name}
            raise UnknownNameError("domain", name, sorted(known)) from None
        recipe = self._recipe(STYLIZE, found)
        if not is_ready_made(found, self.config.bundle):
            return Domain(name, recipe)
        return Domain(name, None, lambda: self._adopt(found), "coming with the bundle")

    def _adopt(self, ready: BankVersion) -> "Future[Recipe]":
        """Copy a ready-made version into the bank, which all nodes reach, and track it."""
        future: Future[Recipe] = Future()
        try:
            version = self.bank.adopt(ready)
            future.set_result(self._recipe(STYLIZE, version))
        except ItportraitError as error:
            future.set_exception(error)
            return future
        self.tracking.record(version)
        return future

    def _trainers(self) -> TrainingPool:
        if self._pool is None:
            # One core is left to the shards, so that photos are aligned while domains are adapted.
            cores = max(self.cores - 1, 1.0)
            self._pool = TrainingPool(self.config.train, cores=cores, gpus=self.gpus)
        return self._pool

    def _adapt(self, job: DomainJob) -> Recipe:
        self.tracking.open()
        storage = training_storage(self.config.bank)
        trained = train_domain(job, self.config.train, storage=storage)
        return self._recipe(STYLIZE, publish_trained(trained, self.bank, storage=storage))

    def _gpus_of(self, share: StageShare) -> float:
        if share.gpus is not None:
            return share.gpus
        return 1.0 if self.gpus >= 1 else 0.0

    def _means(self, stage: str) -> dict[str, float]:
        totals = self.totals.stage(stage)
        return {name: totals.mean(name) or 0.0 for name in totals.sums}


def find_model_id(config: JobConfig) -> str:
    """Return the id of the bundle's models.

    An earlier run of the same output and inversion knows it, unless `model.json` has changed since:
    then nothing of torch is imported only to find that nothing is to be done.

    Raises:
        MissingModelError: there is no such bundle (names the command that makes or imports it), or
            it lacks what the inversion asks for.
    """
    key = _bundle_key(config.bundle)
    run = uris.read_json(uris.join(config.output, RUN)) or {}
    known, inverted = run.get("models", {}), run.get("config", {}).get("invert")
    if key and known.get("key") == key and inverted == config.invert.model_dump(mode="json"):
        return known["id"]
    call = Call(
        function=_describe_bundle,
        args=(config.bundle, config.invert),
        name="model bundle",
        num_cpus=0.1,
    )
    return run_patiently(RayExecutor(), call)


def _describe_bundle(bundle: str, invert: InvertConfig) -> str:
    from itportrait.bundle import load_bundle
    from itportrait.invert import INVERSIONS

    models = load_bundle(bundle)
    INVERSIONS.get(invert.method).check(invert, models)
    return models.model_id


def _bundle_key(bundle: str) -> str | None:
    try:
        data = uris.read_bytes(uris.join(bundle_folder(bundle), "model.json"))
    except OSError:
        return None
    return fingerprint(bundle, itportrait.__version__, data)


def _redacted(data: Any) -> Any:
    return json.loads(uris.redact(json.dumps(data)))


def raise_failed_domains(job: StylizeJob) -> None:
    """Raise one error that names every domain that could not be adapted, if there is any."""
    failed = job.failed_domains()
    if failed:
        reasons = "; ".join(uris.redact(str(domain.error)) for domain in failed)
        raise ItportraitError(f"{len(failed)} of {len(job.domains)} domains failed: {reasons}")
