"""The tracked run of one domain: its specification, curves, pictures and end."""

from typing import TYPE_CHECKING

from itportrait.bank.version import BankVersion
from itportrait.io import uris
from itportrait.tracking import (
    FINAL,
    RunStatus,
    Tracker,
    final_image_key,
    open_tracker,
    probe_image_key,
)
from itportrait.training.domain_job import DomainJob, TrackingTarget
from itportrait.training.trained_domain import short_params

if TYPE_CHECKING:
    from itportrait.adapt import AdaptReport, AdaptResult


class DomainRun:
    """Reports the progress of a training to the tracking service.

    Args:
        job: the training; its `tracking` says where to.
    """

    def __init__(self, job: DomainJob) -> None:
        target = job.tracking
        parent = open_tracker(
            target.uri,
            target.parent or job.spec.name,
            experiment=target.experiment,
            spool=target.spool,
        )
        self.run: Tracker = parent.child(job.spec.name, key=job.run_name, tags=job.tags)
        self.run.log_params(short_params(job.spec.model_dump(mode="json"), job.bundle))
        text = uris.to_json(job.spec.model_dump(mode="json")).decode()
        self.run.log_text("spec.json", uris.redact(text))

    def show(self, report: "AdaptReport") -> None:
        """Show the scores and pictures of a probe at its step."""
        self.run.log_metrics(report.metrics, step=report.step)
        for index, pixels in enumerate(report.images):
            self.run.log_image(probe_image_key(index), pixels, step=report.step)

    def finish_with(self, result: "AdaptResult") -> None:
        """Show the final scores and pictures, and close the run."""
        # At step 0 in every domain, though each chose its own: the UI then draws a bar a run,
        # and shows the pictures of all runs at one place of its slider.
        finals = {f"{FINAL}/{name}": value for name, value in result.metrics.items()}
        self.run.log_metrics(finals, step=0)
        self.run.set_tags({"step": str(result.step)})
        for index, pixels in enumerate(result.images):
            self.run.log_image(final_image_key(index), pixels, step=0)
        self.run.finish(RunStatus.FINISHED)

    def fail(self) -> None:
        """Close the run of a training that has failed."""
        self.run.finish(RunStatus.FAILED)


def verdict_tags(version: BankVersion) -> dict[str, str]:
    """Return the tags that say what a version was published as, and what is to be warned of."""
    gate = version.info["gate"]
    tags = {"gate": gate["verdict"], "gate_reasons": "; ".join(gate["reasons"])[:500]}
    return tags | ({"warnings": "; ".join(version.warnings)} if version.warnings else {})


def record_verdict(version: BankVersion, target: TrackingTarget) -> None:
    """Show on a training's run what its version was published as, and what is to be warned of."""
    parent = open_tracker(
        target.uri,
        target.parent or version.domain,
        experiment=target.experiment,
        spool=target.spool,
    )
    with parent.child(version.domain, key=version.run_name) as run:
        run.set_tags(verdict_tags(version))
