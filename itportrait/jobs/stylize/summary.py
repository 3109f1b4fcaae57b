"""The tables at the end of the main job: the outcome of inputs and of domains."""

from rich.console import Console
from rich.table import Table

from itportrait.jobs.stylize.job import StylizeJob
from itportrait.terminal import make_console

_DOMAIN_MEASURES = ("clip_direction", "clip_image", "identity", "depth_distance", "depth_variance")


def print_summary(job: StylizeJob, console: Console | None = None) -> None:
    """Print the final tables: the outcome of inputs and of domains."""
    console = console or make_console(soft_wrap=True)
    table = Table(title="Inputs by stage", title_justify="left")
    for name in ("stage", "inputs", "ok", "rejected", "failed", "seconds", "s each", "kept"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    table.add_column("reasons")
    for name, stage in job.totals.stages.items():
        reasons = ", ".join(f"{kind} {count}" for kind, count in stage.reasons.most_common(3))
        numbers = (stage.inputs, stage.ok, stage.rejected, stage.failed)
        each = f"{stage.computed_seconds / stage.computed:.2f}" if stage.computed else "-"
        kept = f"{stage.shards_kept}/{stage.shards} shards"
        table.add_row(
            name, *(str(n) for n in numbers), f"{stage.computed_seconds:.1f}", each, kept, reasons
        )
    console.print(table)
    if job.domains:
        console.print(_domain_table(job))
    for warning in job.said_of_domains():
        console.print(f"Warning: {warning}")
    counts = job.final_counts()
    console.print(
        f"{job.totals.listed} inputs: {counts['ok']} ok, {counts['rejected']} rejected, "
        f"{counts['failed']} failed"
    )
    if job.skipped.counts:
        console.print(job.skipped)
    if job.tracking.backlog:
        console.print(f"Tracking: {job.tracking.backlog}")
    if all(stage.computed == 0 for stage in job.totals.stages.values()):
        console.print("Nothing to do: everything was computed by an earlier run.")


def _domain_table(job: StylizeJob) -> Table:
    table = Table(title="Domains, means over the portraits", title_justify="left")
    table.add_column("domain")
    for name in ("version", *_DOMAIN_MEASURES):
        table.add_column(name, justify="right")
    table.add_column("warnings")
    for domain in job.domains:
        totals = job.totals.stage(domain.stage_name)
        means = [totals.mean(name) for name in _DOMAIN_MEASURES]
        version = domain.recipe.version if domain.recipe else "failed"
        shown = ("-" if mean is None else f"{mean:.3f}" for mean in means)
        kinds = dict.fromkeys(text.partition(":")[0] for text in job.warnings.get(domain.name, ()))
        table.add_row(domain.name, version, *shown, ", ".join(kinds))
    return table
