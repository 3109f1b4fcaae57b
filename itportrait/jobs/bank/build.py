"""Build a style bank: train what changed, score it beside the champion, gate, publish, track.

Every domain goes its own way from training to publication, and its failure is a row of the table.
Publication changes one entry of the index by compare-and-swap, so the order in which domains finish
does not matter, and whatever was published before a crash stays published.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from itportrait.bank.card import CARD_NAME, PREVIEW_NAME, preview_png, version_card
from itportrait.bank.gate import RULE, GateDecision, judge, weaknesses
from itportrait.bank.store import Bank, BankVersion
from itportrait.config import fingerprint
from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.image import decode, encode
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.io.names import resolve_under
from itportrait.jobs.bank.compute import Compute
from itportrait.jobs.bank.models import BankModels
from itportrait.jobs.bank.plan import BuildPlan, DomainResult, Outcome
from itportrait.jobs.bank.scores import ScoreJob, Scores
from itportrait.jobs.bank.spec import BankSpec
from itportrait.pages.contact_sheet import contact_sheet
from itportrait.styles.names import STYLE_FILE
from itportrait.tracking import (
    CHAMPION_ON_BANK_PROBE,
    FINAL_ON_BANK_PROBE,
    NOTE_TAG,
    RunStatus,
    Tracker,
)
from itportrait.training.domain_job import DomainJob, training_storage
from itportrait.training.domain_run import verdict_tags
from itportrait.training.trained_domain import TrainedDomain

logger = logging.getLogger(__name__)

CANDIDATE, CHAMPION = "candidate", "champion"
BUILDS, FACES = "_builds", "faces"
_NOTE_DOMAINS = 25
"""Most domains in the description of a build's run: MLflow cuts it at 8,000 characters."""
PARENT_FIGURES = ("clip_direction", "clip_image_gain", "identity", "depth_variance", "kid_ratio")
"""Figures of each domain that the run of a build shows, on the bank's probe set."""


@dataclass(frozen=True)
class BuildReport:
    """The end of a build, with results in the specification's order."""

    plan: BuildPlan
    results: tuple[DomainResult, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """Return 1 if a domain failed, else 0: a candidate held back is the gate doing its work."""
        return int(any(result.outcome is Outcome.FAILED for result in self.results))


class BankBuild:
    """One build of a bank, under its lease.

    Args:
        spec: the specification.
        plan: from `plan_build`.
        bank: where versions are published.
        tracker: the parent run.
        lease: checked before every publication.
        compute: trains and scores; None where the plan has no jobs.
        models: registered models that follow the bank; None: nowhere.
        say: prints a line for people.
        count: called with name, outcome and scores (if it was built) of every domain.
        on_done: called with the number of domains that have their result, and of all.
    """

    def __init__(
        self,
        spec: BankSpec,
        plan: BuildPlan,
        bank: Bank,
        tracker: Tracker,
        lease: Lease,
        compute: Compute | None,
        *,
        models: BankModels | None = None,
        say: Callable[[str], None] = print,
        count: Callable[[str, str, dict[str, float] | None], None] = lambda *_: None,
        on_done: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.spec, self.plan, self.bank = spec, plan, bank
        self.tracker, self.lease, self.compute, self.say = tracker, lease, compute, say
        self.models, self.count, self.on_done = models, count, on_done
        self.storage = training_storage(bank.uri)
        self.faces: dict[str, list[np.ndarray]] = {}

    def run(self) -> BuildReport:
        """Build all changed domains, as many at once as the cluster holds; never raises for one."""
        started = time.monotonic()
        results = {result.domain: result for result in self.plan.settled}
        for result in self.plan.settled:
            self._announce(result)
        futures = []
        if self.plan.jobs:
            compute = self.compute
            if compute is None:
                raise InvalidArgumentError(
                    "compute", expected="one, as the plan has jobs", actual="None"
                )
            self.say(f"{len(self.plan.jobs)} to build, {compute.limit} at once")
            futures = [
                compute.submit(partial(self._build, job, compute), job.spec.name)
                for job in self.plan.jobs
            ]
        every = len(results) + len(futures)
        self.on_done(len(results), every)
        for future in as_completed(futures):
            result = future.result()
            results[result.domain] = result
            self._announce(result)
            self.on_done(len(results), every)
        order = [name for name in self.spec.domains if name in results]
        report = BuildReport(
            self.plan, tuple(results[name] for name in order), time.monotonic() - started
        )
        self._record(report)
        return report

    def _build(self, job: DomainJob, compute: Compute) -> DomainResult:
        """Take one domain from training to publication; its own error is its result."""
        started = time.monotonic()
        name = job.spec.name
        try:
            trained = compute.train(job)
            return replace(self._publish(trained, compute), seconds=time.monotonic() - started)
        except Exception as error:
            logger.debug("domain %s", name, exc_info=True)
            reason = str(error) if isinstance(error, ItportraitError) else repr(error)
            self._child(job).finish(RunStatus.FAILED)
            return DomainResult(
                domain=name,
                outcome=Outcome.FAILED,
                reason=uris.redact(reason),
                seconds=time.monotonic() - started,
            )

    def _publish(self, trained: TrainedDomain, compute: Compute) -> DomainResult:
        job = trained.job
        champion, obstacle = self._champion(trained)
        scores = compute.score(self._score_job(trained, champion))
        metrics = scores.metrics[CANDIDATE]
        # Evaluations do not measure the reach of words, which the training's probe did.
        judged = {k: v for k, v in trained.metrics.items() if k == "clip_reach"} | metrics
        decision = judge(
            judged,
            scores.metrics.get(CHAMPION),
            self.spec.gate,
            same_target=champion is None or _target_of(champion) == _target(trained),
            differences=scores.differences(CANDIDATE, CHAMPION),
        )
        if decision.promote and obstacle:
            decision = replace(decision, reasons=(obstacle,))
        version = self._version(trained, metrics, decision, weaknesses(judged, self.spec.gate))
        files = trained.files | self._pages(trained, version, decision, scores)
        self.lease.check()
        # Before it is published: a domain that stands in the bank is not looked at again.
        self._track(job, version, scores)
        self.bank.publish(version, files, promote=decision.promote)
        uris.remove(uris.join(self.storage, job.run_name), recursive=True)
        self.faces.setdefault("base", scores.faces["base"])
        self.faces[job.spec.name] = scores.faces[CANDIDATE]
        self._follow([job.spec.name])
        return DomainResult(
            domain=job.spec.name,
            outcome=Outcome(decision.verdict),
            version=version.version,
            metrics=metrics,
            reason="; ".join(decision.reasons),
        )

    def _champion(self, trained: TrainedDomain) -> tuple[BankVersion | None, str]:
        """Return the champion to compare with, or None and why there is none."""
        entry = self.bank.index()["domains"].get(trained.job.spec.name)
        if not entry or not entry["champion"]:
            return None, ""
        champion = self.bank.read(trained.job.spec.name, entry["champion"])
        if champion.base_model_id != trained.base_model_id:
            return None, f"champion {champion.version} belongs to another base model"
        try:
            champion.style()
        except (ItportraitError, OSError) as error:
            return None, f"champion {champion.version} cannot be read: {error}"
        return champion, ""

    def _score_job(self, trained: TrainedDomain, champion: BankVersion | None) -> ScoreJob:
        styles = {CANDIDATE: trained.files[STYLE_FILE]}
        if champion is not None:
            styles[CHAMPION] = champion.style_bytes()
        return ScoreJob(
            bundle=trained.job.bundle,
            spec=trained.job.spec,
            references=tuple(_references(trained).values()),
            truth=self.spec.domains[trained.job.spec.name].truth,
            styles=styles,
            probe=self.spec.probe,
            draws=self.spec.gate.draws,
        )

    def _version(
        self,
        trained: TrainedDomain,
        metrics: dict[str, float],
        decision: GateDecision,
        weak: list[str],
    ) -> BankVersion:
        # Named by the night and not by the clock: the same night gives the same version again.
        version = trained.version(self.plan.version_of(trained.job))
        info = {
            **version.info,
            "training": trained.metrics,
            "gate": decision.to_json(),
            "build": self.plan.bank_id,
            "truth": self.spec.domains[trained.job.spec.name].truth,
            **({"warnings": [*version.warnings, *weak]} if version.warnings or weak else {}),
        }
        return replace(version, metrics=metrics, info=info, created=self.plan.date)

    def _pages(
        self, trained: TrainedDomain, version: BankVersion, decision: GateDecision, scores: Scores
    ) -> dict[str, bytes]:
        card = version_card(
            version.spec,
            version=version.version,
            base_model_id=version.base_model_id,
            metrics=version.metrics,
            decision=decision,
            step=int(trained.info.get("step") or 0),
            seconds=float(trained.metrics.get("seconds", 0.0)),
            build=self.plan.bank_id,
            warnings=version.warnings,
        )
        preview = preview_png(scores.faces["base"], scores.faces[CANDIDATE])
        faces = scores.faces[CANDIDATE]
        return {
            CARD_NAME: card.encode(),
            PREVIEW_NAME: preview,
            **{f"{FACES}/{index:03d}.png": encode(face) for index, face in enumerate(faces)},
        }

    def _child(self, job: DomainJob) -> Tracker:
        """Open the domain's run, the one that its training reported to."""
        return self.tracker.child(job.spec.name, key=job.run_name, tags=job.tags)

    def _track(self, job: DomainJob, version: BankVersion, scores: Scores) -> None:
        run = self._child(job)
        values = {f"{FINAL_ON_BANK_PROBE}/{k}": value for k, value in version.metrics.items()}
        former = scores.metrics.get(CHAMPION, {})
        values |= {f"{CHAMPION_ON_BANK_PROBE}/{k}": value for k, value in former.items()}
        run.log_metrics(values, step=0)  # single values: the UI draws them as bars
        run.log_params({"fingerprint": job.fingerprint, "version": version.version})
        run.set_tags(verdict_tags(version))
        run.finish(RunStatus.FINISHED)

    def _announce(self, result: DomainResult) -> None:
        words = f"{result.domain}: {result.outcome}"
        words += f" {result.version}" if result.version else ""
        words += f" ({result.reason})" if result.reason else ""
        self.say(words)
        built = result.outcome in (Outcome.CHAMPION, Outcome.CANDIDATE)
        self.count(result.domain, str(result.outcome), result.metrics if built else None)

    def _record(self, report: BuildReport) -> None:
        """Keep the build's summary in the bank and on the parent run."""
        summary: dict[str, Any] = {
            "bank_id": self.plan.bank_id,
            "date": self.plan.date,
            "spec": self.spec.model_dump(mode="json"),
            "settings_from": self.spec.settings_from,
            "spec_fingerprint": fingerprint(self.spec.for_names()),
            "gate_rule": RULE,
            "seconds": round(report.seconds, 1),
            "domains": [asdict(result) for result in report.results],
        }
        target = uris.join(self.bank.uri, BUILDS, f"{self.plan.bank_id}.json")
        text = uris.redact(uris.to_json(summary).decode())
        uris.put_bytes(target, text.encode())
        self.tracker.set_tags({NOTE_TAG: _note(self.plan, report)})
        counts = {str(o): sum(r.outcome is o for r in report.results) for o in Outcome}
        self.tracker.log_params({"bank": uris.redact(self.bank.uri), "base": self.spec.base})
        failed = [result.domain for result in report.results if result.outcome is Outcome.FAILED]
        self.tracker.set_tags(
            {
                "domains": ", ".join(f"{n} {name}" for name, n in counts.items() if n),
                "failed": ", ".join(failed) or "none",
                "bank_id": self.plan.bank_id,
                "spec_fingerprint": summary["spec_fingerprint"],
            }
        )
        self.tracker.log_text("build.json", text)
        # Each name has one figure, also where a build goes on later: a domain is built once in it.
        figures = {
            f"{result.domain}/{name}": value
            for result in report.results
            if result.outcome in (Outcome.CHAMPION, Outcome.CANDIDATE)
            for name, value in (result.metrics or {}).items()
            if name in PARENT_FIGURES
        }
        self.tracker.log_metrics(figures, step=0)
        self._show_faces(report)
        self._follow()
        for problem in self.models.settle() if self.models else ():
            logger.warning("%s", problem)

    def _show_faces(self, report: BuildReport) -> None:
        """Log the contact sheet, domains x faces, of all domains that have a version."""
        faces = dict(self.faces)
        for result in report.results:
            if result.outcome is Outcome.UNCHANGED:
                faces[result.domain] = self._published_faces(result)
        names = [name for name in ("base", *self.spec.domains) if faces.get(name)]
        if not names:
            return
        width = max(len(faces[name]) for name in names)
        rows = [[*faces[name], *[None] * (width - len(faces[name]))] for name in names]
        columns = [f"face {index}" for index in range(width)]
        sheet = contact_sheet(rows, columns=columns, names=names)
        # The step counts domains: a build that is resumed and has more adds its sheet.
        self.tracker.log_image("contact_sheet", sheet, step=sum(n != "base" for n in names))

    def _published_faces(self, result: DomainResult) -> list[np.ndarray]:
        try:
            folder = resolve_under(self.bank.uri, result.domain, result.version, FACES)
            names = [name for name in uris.list_names(folder) if name.endswith(".png")]
            return [decode(uris.read_bytes(resolve_under(folder, name))) for name in names]
        except (ItportraitError, OSError) as error:
            logger.warning("faces of %s cannot be shown: %s", result.domain, error)
            return []

    def _follow(self, domains: list[str] | None = None) -> None:
        """Bring the registered models in step with the bank; what fails is repeated the next
        time."""
        if self.models:
            self.models.follow(domains)


def _note(plan: BuildPlan, report: BuildReport) -> str:
    """Return the description of a build's run: what became of each domain, and why."""
    lines = [
        f"Build `{plan.bank_id}` of a style bank. `DOMAIN/…` are figures of the domains that it "
        "built, on the bank's probe set; the run of each domain has all of them, with its curves.",
        "",
        "| domain | outcome | version | reason |",
        "| --- | --- | --- | --- |",
    ]
    for result in report.results:
        reason = uris.redact(result.reason).replace("|", "\\|").replace("\n", " ")[:200]
        lines.append(f"| {result.domain} | {result.outcome} | {result.version or ''} | {reason} |")
    shown = lines[: 4 + _NOTE_DOMAINS]
    if len(lines) > len(shown):
        shown += ["", f"The other {len(lines) - len(shown)} domains are in build.json."]
    return "\n".join(shown)


def _references(trained: TrainedDomain) -> dict[str, bytes]:
    names = sorted(path for path in trained.files if path.startswith("references/"))
    return {name: trained.files[name] for name in names}


def _target(trained: TrainedDomain) -> str:
    spec = trained.job.spec.model_dump(mode="json")
    return _target_digest(spec, list(_references(trained).values()))


def _target_of(version: BankVersion) -> str:
    contents = [uris.read_bytes(version.file(name)) for name in version.references]
    return _target_digest(version.spec, contents)


def _target_digest(spec: dict[str, Any], references: list[bytes]) -> str:
    """Hash what a domain should look like, apart from how it is trained."""
    words = [spec.get("mode"), spec.get("prompt"), spec.get("source_prompt")]
    return fingerprint(words, references)
