"""The main job of one output folder: its recipes, its domains and the engine that runs them."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from itportrait.bank.store import Bank
from itportrait.bank.version import BankVersion
from itportrait.config import fingerprint
from itportrait.engine.config import StageShare
from itportrait.engine.pieces import StageResources
from itportrait.engine.pipeline import Domain, Pipeline
from itportrait.engine.progress import Progress
from itportrait.engine.totals import Totals
from itportrait.engine.window import WindowLimits
from itportrait.errors import ItportraitError
from itportrait.ingest import Listing, Skipped, in_eg3d_convention, list_sources
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.backend import Backend
from itportrait.jobs.stylize.config import JobConfig
from itportrait.jobs.stylize.domains import JobDomains
from itportrait.jobs.stylize.job_tracking import JobTracking
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard, iter_shards
from itportrait.training.vetting import said_of

_SHARE_OF_GPU = 0.5
"""GPUs of a task unless the settings say otherwise: one computes while another reads or writes."""


def list_photos(config: JobConfig) -> Listing:
    """Look for the first of a job's inputs, and return the stream of all.

    Raises:
        ItportraitError: nothing was found; names the URI and the patterns tried.
    """
    ingest = config.ingest
    return list_sources(config.input, patterns=ingest.patterns, mask_suffix=ingest.mask_suffix)


@dataclass
class StylizeJob:
    """The main job, prepared to be planned or run.

    Args:
        config: the whole configuration.
        model_id: of the bundle.
        backend: what runs its tasks and trainings.
        retry_failed: compute failed records again.
        strict: refuse domains of which anything is to be warned.
    """

    config: JobConfig
    model_id: str
    backend: Backend
    retry_failed: bool = False
    strict: bool = False
    totals: Totals = field(default_factory=Totals)
    skipped: Skipped = field(default_factory=Skipped)
    """Counts of what the listing ignored, once it has run."""
    deliverables: dict[str, Any] = field(default_factory=dict)
    """Counts of the portraits' files by domain, once they are made."""

    def __post_init__(self) -> None:
        *first, self.last = self.config.stages
        self.chain = tuple(self._recipe(stage) for stage in first)
        self.tracking = JobTracking(
            self.config.tracking, self.backend.executor(), parent="stylize_dataset"
        )
        found = JobDomains(
            self.config,
            self.model_id,
            self.backend,
            self.tracking,
            self._stylize_recipe,
            strict=self.strict,
        )
        self.domains, self.warnings = found.find(), found.warnings
        self.started = dt.datetime.now(dt.UTC)

    def shards(self) -> Iterator[Shard]:
        """Stream the inputs as shards, and count in `skipped` what is passed over.

        Raises:
            ItportraitError: nothing was found; names the URI and the patterns tried.
        """
        listing = list_photos(self.config)
        self.skipped = listing.skipped
        sources = in_eg3d_convention(listing, self.config.ingest.camera_convention)
        return iter_shards(sources, self.config.shard_size())

    def pipeline(self, progress: Progress | None = None, lease: Lease | None = None) -> Pipeline:
        """Return the engine, ready to run or to plan."""
        settings, resources = self.config.resources, self.resources()
        limits = WindowLimits(
            in_flight=settings.in_flight or self.twice_the_slots([*resources.values()]),
            storage_retries=settings.storage_retries,
            crash_retries=settings.crash_retries,
            node_retries=settings.node_retries,
            memory_wait_s=settings.memory_wait_s,
        )
        return Pipeline(
            self.chain,
            self.domains,
            executor=self.backend.executor(),
            limits=limits,
            resources=resources,
            totals=self.totals,
            progress=progress,
            lease=lease,
            on_shard=self.backend.count_shard,
        )

    def twice_the_slots(self, tasks: Sequence[StageResources]) -> int:
        """Return how many tasks to keep in flight: twice what runs at once, on cores and GPUs."""
        cores = [max(task.num_cpus, 0.25) for task in tasks if not task.num_gpus]
        gpus = [task.num_gpus for task in tasks if task.num_gpus]
        slots = int(self.backend.cores // min(cores)) if cores else 0
        if gpus:
            whole, share = self.backend.gpus, min(gpus)
            slots += int(whole * (1 / share // 1) if share < 1 else whole // share)
        return 2 * max(slots, 1)

    def resources(self) -> dict[str, StageResources]:
        """Return what a task takes of the cluster, by stage."""
        shares = {stage: self.config.resources.share(stage) for stage in self.config.stages}
        return {
            stage: StageResources(share.cpus, self._gpus_of(share))
            for stage, share in shares.items()
        }

    def recipes(self) -> tuple[Recipe, ...]:
        """Return the recipes of all stages, as far as domains have a version by now."""
        return *self.chain, *self.stylize_recipes()

    def stylize_recipes(self) -> tuple[Recipe, ...]:
        """Return the recipes of the domains that have a version by now, in order."""
        return tuple(domain.recipe for domain in self.domains if domain.recipe)

    def digest(self) -> str:
        """Return a digest of all rows of all stages."""
        return fingerprint({n: s.digest for n, s in self.totals.stages.items()})

    def final_counts(self) -> dict[str, int]:
        """Return inputs by what became of them at the end: ok in all stages, rejected, failed."""
        stages = [self.totals.stage(recipe.name) for recipe in self.chain]
        stylized = [self.totals.stage(d.stage_name) for d in self.domains if not d.error]
        worst = {}
        for name in ("rejected", "failed"):
            worst[name] = sum(getattr(stage, name) for stage in stages)
            worst[name] += max((getattr(stage, name) for stage in stylized), default=0)
        good = self.totals.listed - sum(worst.values())
        return {"ok": good, **worst}

    def said_of_domains(self) -> list[str]:
        """Return the warnings of all domains, each with its domain's name."""
        return said_of(self.warnings)

    def said_before(self) -> list[str]:
        """Return what people should know before any work: a bank that is begun, and warnings."""
        publishes = any(domain.recipe is None for domain in self.domains)
        begun = Bank(self.config.bank).beginning() if publishes else ""
        return [*([begun] if begun else []), *(f"warning: {x}" for x in self.said_of_domains())]

    def failed_domains(self) -> list[Domain]:
        """Return the domains that could not be adapted."""
        return [domain for domain in self.domains if domain.error]

    def raise_failed_domains(self) -> None:
        """Raise one error that names every domain that could not be adapted, if there is any."""
        failed = self.failed_domains()
        if failed:
            reasons = "; ".join(uris.redact(str(domain.error)) for domain in failed)
            raise ItportraitError(f"{len(failed)} of {len(self.domains)} domains failed: {reasons}")

    def _stylize_recipe(self, version: BankVersion) -> Recipe:
        return self._recipe(self.last, version)

    def _recipe(self, stage: str, version: BankVersion | None = None) -> Recipe:
        share = self.config.resources.share(stage)
        return self.config.recipe(
            stage,
            self.model_id,
            device="cuda" if self._gpus_of(share) > 0 else "cpu",
            retry_failed=self.retry_failed,
            version=version,
        )

    def _gpus_of(self, share: StageShare) -> float:
        if share.gpus is not None:
            return share.gpus
        return _SHARE_OF_GPU if self.backend.gpus >= 1 else 0.0
