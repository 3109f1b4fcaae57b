"""Commands that run a stage on a folder: align, invert, stylize, adapt, evaluate."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from itportrait.cli.options import BankUri, Config, Device, Out, Set, device_of, print_mapping
from itportrait.errors import NoInputError

if TYPE_CHECKING:
    from itportrait.adapt import AdaptReport
    from itportrait.bank.store import Bank
    from itportrait.io.commits import Commit
    from itportrait.stages.recipe import Recipe
    from itportrait.stages.shards import Shard


def align(
    photos: Annotated[str, typer.Argument(help="Folder, glob, list, table or tar of photos.")],
    out: Out,
    config: Config = "",
    set_: Set = None,
    device: Device = "auto",
) -> None:
    """Find faces and cut them out as the generator expects, with their cameras."""
    from itportrait.align.stage import AlignStage
    from itportrait.ingest import in_eg3d_convention, list_sources
    from itportrait.jobs.stylize.config import load_job
    from itportrait.stages.shards import iter_shards

    device = device_of(device)
    job = load_job(config or None, set_, input=photos, output=out)
    ingest = job.ingest
    listing = list_sources(job.input, patterns=ingest.patterns, mask_suffix=ingest.mask_suffix)
    sources = in_eg3d_convention(listing, ingest.camera_convention)
    shards = iter_shards(sources, job.shard_size())
    _run_stage(job.recipe(AlignStage.name, "", device=device), shards)
    if listing.skipped.counts:
        print(listing.skipped)


def invert(out: Out, config: Config = "", set_: Set = None, device: Device = "auto") -> None:
    """Find the generator's code of every aligned portrait of OUT."""
    from itportrait.bundle import load_bundle
    from itportrait.engine.local import committed_shards
    from itportrait.invert.stage import InvertStage
    from itportrait.jobs.stylize.config import load_job

    device = device_of(device)
    job = load_job(config or None, set_, required=("output",), output=out)
    model_id = load_bundle(job.bundle).model_id
    recipe = job.recipe(InvertStage.name, model_id, device=device)
    _run_stage(recipe, committed_shards(recipe))


def stylize(
    out: Out,
    bank: Annotated[str, typer.Option("--bank", help="Style bank; default: OUT/bank.")] = "",
    domains: Annotated[str, typer.Option(help="Names, as a,b; default: all of the bank.")] = "",
    config: Config = "",
    set_: Set = None,
    device: Device = "auto",
) -> None:
    """Render every inverted portrait of OUT in domains of a style bank."""
    from itportrait.bank.store import Bank
    from itportrait.bundle import load_bundle
    from itportrait.engine.local import committed_shards
    from itportrait.jobs.ready_made import find_champion
    from itportrait.jobs.stylize.config import load_job

    device = device_of(device)
    job = load_job(config or None, set_, required=("output",), output=out, bank=bank)
    styles, names = Bank(job.bank), [name for name in domains.split(",") if name]
    if bank or not names:  # without a bank, the domains that come with the models remain
        styles.existing()
    names = names or _all_domains(styles)
    versions = [find_champion(name, styles, job.bundle) for name in names]
    model_id = load_bundle(job.bundle).model_id
    last = job.stages[-1]
    for recipe in [job.recipe(last, model_id, device=device, version=v) for v in versions]:
        _run_stage(recipe, committed_shards(recipe))


def adapt(
    name: Annotated[str, typer.Argument(help="Name of the style domain.")],
    bank: BankUri,
    prompt: Annotated[str, typer.Option(help="What portraits become: 'a bronze statue'.")] = "",
    reference: Annotated[
        list[str] | None, typer.Option(help="Style picture; may be repeated.")
    ] = None,
    pictures: Annotated[
        str, typer.Option(help="Set of pictures: an aligned table (OUT/aligned), or mini:NAME.")
    ] = "",
    source_prompt: Annotated[
        str | None, typer.Option(help="What they are before; default: as the configuration says.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Upper bound of the steps; default: the same.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="Adaptation method; default: the same, else itportrait.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a domain of which there is a warning.")
    ] = False,
    config: Config = "",
    set_: Set = None,
    device: Device = "auto",
) -> None:
    """Adapt the generator to a prompt, pictures, or both, and publish it to a bank."""
    from itportrait.adapt import DomainSpec
    from itportrait.bank.store import Bank
    from itportrait.bundle import load_bundle
    from itportrait.jobs.stylize.config import load_job
    from itportrait.training.domain_job import DomainJob
    from itportrait.training.here import adapt_here
    from itportrait.training.trained_domain import publish_trained
    from itportrait.training.vetting import refuse_warnings, vet_jobs

    device = device_of(device)
    mode = "image_text" if prompt and (reference or pictures) else "text" if prompt else "image"
    job = load_job(config or None, set_, required=(), bank=bank)
    values = {"name": name, "mode": mode, "prompt": prompt or None, "references": reference or []}
    asked = {"source_prompt": source_prompt, "steps": steps, "method": method}
    values |= {key: value for key, value in asked.items() if value is not None}
    if pictures:
        values["pictures"] = pictures
    spec = DomainSpec.parse(job.defaults | values, source=f"domain {name!r}")
    task = DomainJob.of(
        spec,
        bundle=job.bundle,
        adapt=job.adapt,
        align=job.align,
        model_id=load_bundle(job.bundle).model_id,
    )
    styles = Bank(job.bank)
    version = task.find_in(styles)
    warnings = vet_jobs([task])[0] if version is None else version.warnings
    for text in warnings:
        print(f"warning: {text}", file=sys.stderr)
    if strict:
        refuse_warnings({name: warnings})
    if version is None:
        if begun := styles.beginning():
            print(begun, file=sys.stderr)
        task = replace(task, warnings=tuple(warnings))
        trained = adapt_here(task, device=device, on_report=_print_report)
        version = publish_trained(trained, styles, job.gate)
        for text in version.warnings[len(warnings) :]:
            print(f"warning: {text}", file=sys.stderr)
    else:
        print("the bank holds this very domain already; nothing to do")
    is_champion = styles.index()["domains"][name]["champion"] == version.version
    state = "champion" if is_champion else "candidate"
    print_mapping(f"{name} {version.version}, {state}", version.metrics)


def evaluate(
    bank: BankUri,
    domains: Annotated[str, typer.Option(help="Names, as a,b; default: all of the bank.")] = "",
    truth: Annotated[str, typer.Option(help="True pictures for KID: a folder, or mini:NAME.")] = "",
    bundle: Annotated[str, typer.Option(help="Base model.")] = "mini",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Device = "auto",
) -> None:
    """Score the champions of a bank on the fixed probe set."""
    from itportrait.adapt import DomainSpec
    from itportrait.bank.store import Bank
    from itportrait.evaluate import EvaluationProbeConfig
    from itportrait.io import uris
    from itportrait.jobs.bank.scores import ScoreJob, score_job

    device = device_of(device)
    styles, found = Bank(bank).existing(), {}
    names = [name for name in domains.split(",") if name] or _all_domains(styles)
    for version in [styles.champion(name) for name in names]:
        name = version.domain
        job = ScoreJob(
            bundle=bundle,
            spec=DomainSpec.model_validate(version.spec),
            references=tuple(uris.read_bytes(version.file(r)) for r in version.references),
            truth=truth or None,
            styles={"champion": version.style_bytes()},
            probe=EvaluationProbeConfig(),
            pictures=1,
        )
        found[name] = score_job(job, device).metrics["champion"]
        if not json_:
            print_mapping(name, found[name])
    if json_:
        print(json.dumps(found, indent=1))


def _all_domains(bank: "Bank") -> list[str]:
    """Return the names of a bank's domains with a champion.

    Raises:
        NoInputError: there is none.
    """
    from itportrait.io import uris

    names = bank.domains()
    if not names:
        raise NoInputError(
            f"no champion in the bank {uris.redact(bank.uri)}; see `itportrait bank list`, and "
            "make a candidate champion with `itportrait bank promote`"
        )
    return names


def _run_stage(recipe: "Recipe", shards: "Iterable[Shard]") -> None:
    """Run a stage in this process under the output's lease, and print its counts."""
    from itportrait.engine.local import run_stage
    from itportrait.io.lease import Lease
    from itportrait.stages.shards import started

    def show(commit: "Commit") -> None:
        print(
            f"{recipe.name} shard {commit.shard}: {commit.ok} ok, {commit.rejected} rejected, "
            f"{commit.failed} failed",
            file=sys.stderr,
        )

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    shards = started(shards)  # before the lease: where there are none, nothing is created
    with Lease(recipe.output, what=f"itportrait {recipe.name}"):
        totals = run_stage(recipe, shards, show, say)
    print_mapping(recipe.name, {k: v for k, v in totals.to_json().items() if v != {}})


def _print_report(report: "AdaptReport") -> None:
    names = ("style", "identity", "depth_variance")
    scores = ", ".join(f"{n} {report.metrics[n]:.3f}" for n in names if n in report.metrics)
    print(f"step {report.step}: {scores}{' (kept)' if report.kept else ''}", file=sys.stderr)
