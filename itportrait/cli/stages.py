"""Commands that run a stage on a folder: align, invert, stylize, evaluate."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from itportrait.cli import complete
from itportrait.cli.options import (
    BankUri,
    Bundle,
    Config,
    Device,
    Json,
    Out,
    Output,
    Set,
    device_of,
    output_of,
    print_mapping,
)
from itportrait.errors import NoInputError
from itportrait.terminal import Working, make_console, make_table, still_terminal

if TYPE_CHECKING:
    from itportrait.bank.store import Bank
    from itportrait.bank.version import BankVersion
    from itportrait.engine.totals import StageTotals
    from itportrait.io.commits import Commit
    from itportrait.jobs.bank.scores import ScoreJob
    from itportrait.stages.recipe import Recipe
    from itportrait.stages.shards import Shard

Domains = Annotated[
    str,
    typer.Option(help="Names, as a,b; default: all of the bank.", autocompletion=complete.domains),
]


def align(
    photos: Annotated[str, typer.Argument(help="Folder, glob, list, table or tar of photos.")],
    out: Out = "",
    output: Output = "",
    config: Config = "",
    set_: Set = None,
    bundle: Bundle = "",
    device: Device = "auto",
) -> None:
    """Find faces and cut them out as the generator expects, with their cameras."""
    out = output_of(out, output)
    with Working("align: starting") as working:
        from itportrait.align.networks import require_networks
        from itportrait.align.stage import AlignStage
        from itportrait.ingest import in_eg3d_convention, list_sources
        from itportrait.jobs.model_id import require_bundle
        from itportrait.jobs.stylize.config import load_job
        from itportrait.stages.shards import iter_shards

        device = device_of(device)
        job = load_job(config or None, set_, input=photos, output=out, bundle=bundle)
        require_bundle(job.bundle)  # whose settings say how photos are framed
        require_networks(job.align, job.bundle)
        ingest = job.ingest
        listing = list_sources(job.input, patterns=ingest.patterns, mask_suffix=ingest.mask_suffix)
        sources = in_eg3d_convention(listing, ingest.camera_convention)
        shards = iter_shards(sources, job.shard_size())
        _run_stage(job.recipe(AlignStage.name, "", device=device), shards, working)
    if listing.skipped.counts:
        print(listing.skipped)


def invert(
    out: Out = "",
    output: Output = "",
    config: Config = "",
    set_: Set = None,
    bundle: Bundle = "",
    device: Device = "auto",
) -> None:
    """Find the generator's code of every aligned portrait of OUT."""
    out = output_of(out, output)
    with Working("invert: starting") as working:
        from itportrait.bundle import load_bundle
        from itportrait.engine.local import committed_shards
        from itportrait.invert.stage import InvertStage
        from itportrait.jobs.stylize.config import load_job

        device = device_of(device)
        job = load_job(config or None, set_, required=("output",), output=out, bundle=bundle)
        model_id = load_bundle(job.bundle).model_id
        recipe = job.recipe(InvertStage.name, model_id, device=device)
        _run_stage(recipe, committed_shards(recipe), working)


def stylize(
    out: Out = "",
    output: Output = "",
    bank: Annotated[str, typer.Option("--bank", help="Style bank; default: OUT/bank.")] = "",
    domains: Domains = "",
    config: Config = "",
    set_: Set = None,
    bundle: Bundle = "",
    device: Device = "auto",
) -> None:
    """Render every inverted portrait of OUT in domains of a style bank."""
    out = output_of(out, output)
    with Working("stylize: starting") as working:
        from itportrait.bank.store import Bank
        from itportrait.bundle import load_bundle
        from itportrait.engine.local import committed_shards
        from itportrait.jobs.ready_made import find_champion
        from itportrait.jobs.stylize.config import load_job

        device = device_of(device)
        job = load_job(
            config or None, set_, required=("output",), output=out, bank=bank, bundle=bundle
        )
        styles, names = Bank(job.bank), [name for name in domains.split(",") if name]
        if bank or not names:  # without a bank, the domains that come with the models remain
            styles.existing()
        model_id = load_bundle(job.bundle).model_id
        names = names or _all_domains(styles, model_id, working)
        versions = [find_champion(name, styles, job.bundle) for name in names]
        last = job.stages[-1]
        for recipe in [job.recipe(last, model_id, device=device, version=v) for v in versions]:
            _run_stage(recipe, committed_shards(recipe), working)


def evaluate(
    bank: BankUri,
    domains: Domains = "",
    truth: Annotated[str, typer.Option(help="True pictures for KID: a folder, or mini:NAME.")] = "",
    bundle: Bundle = "mini",
    json_: Json = False,
    device: Device = "auto",
) -> None:
    """Score the champions of a bank on the fixed probe set."""
    with Working("evaluate: starting") as working:
        from itportrait.bank.store import Bank
        from itportrait.bundle.model_id import read_model_id
        from itportrait.jobs.bank.scores import score_job, truth_files
        from itportrait.picture_sets.names import is_drawn

        if truth and not is_drawn(truth):
            truth_files(truth)  # before the models are loaded
        device = device_of(device)
        styles, found = Bank(bank).existing(), {}
        names = [name for name in domains.split(",") if name]
        names = names or _all_domains(styles, read_model_id(bundle), working)
        for done, version in enumerate([styles.champion(name) for name in names]):
            working.now(f"evaluate {version.domain}")
            working.step(done, len(names))
            job = _score_job(version, bundle, truth)
            found[version.domain] = score_job(job, device).metrics["champion"]
    if json_:
        print(json.dumps(found, indent=1))
        return
    for name, scores in found.items():
        print_mapping(name, scores)


def _score_job(version: "BankVersion", bundle: str, truth: str) -> "ScoreJob":
    from itportrait.adapt import DomainSpec
    from itportrait.evaluate import EvaluationProbeConfig
    from itportrait.io import uris
    from itportrait.jobs.bank.scores import ScoreJob

    version.style()  # a damaged one is told with its path, before models are loaded
    return ScoreJob(
        bundle=bundle,
        spec=DomainSpec.model_validate(version.spec),
        references=tuple(uris.read_bytes(version.file(name)) for name in version.references),
        truth=truth or None,
        styles={"champion": version.style_bytes()},
        probe=EvaluationProbeConfig(),
        pictures=1,
    )


def _all_domains(bank: "Bank", model_id: str, working: Working) -> list[str]:
    """Return the names of a bank's domains with a champion of the models; say which have another.

    Raises:
        NoInputError: there is none.
    """
    from itportrait.io import uris
    from itportrait.jobs.ready_made import split_by_base

    names, others = split_by_base(bank, model_id)
    if not names:
        what = f"no champion in the bank {uris.redact(bank.uri)}"
        raise NoInputError(
            f"{what} fits; {others}"
            if others
            else f"{what}; see `itportrait bank list`, and make a candidate champion with "
            "`itportrait bank promote`"
        )
    if others:
        working.line(others)
    return names


def _run_stage(recipe: "Recipe", shards: "Iterable[Shard]", working: Working) -> None:
    """Run a stage in this process under the output's lease, and print its counts."""
    from itportrait.engine.local import run_stage
    from itportrait.io import uris
    from itportrait.io.lease import Lease
    from itportrait.stages.shards import started

    inputs, done = _count_inputs(recipe), 0

    def show(commit: "Commit", kept: bool) -> None:
        nonlocal done
        done += commit.inputs
        working.step(done, inputs)
        working.line(
            f"{recipe.name} shard {commit.shard}: {commit.ok} ok, {commit.rejected} rejected, "
            f"{commit.failed} failed{', kept from an earlier run' if kept else ''}"
        )

    def within(items: int, text: str) -> None:
        working.step(done + items, inputs, within=text)

    working.now(recipe.name)
    working.step(done, inputs)
    shards = started(shards)  # before the lease: where there are none, nothing is created
    uris.check_place(recipe.output, "--output")
    with Lease(recipe.output, what=f"itportrait {recipe.name}"):
        totals = run_stage(recipe, shards, show, working.line, within)
    _print_totals(recipe.name, totals)


def _count_inputs(recipe: "Recipe") -> int | None:
    """Return how many portraits a stage has before it; None for photos, which are a stream."""
    if recipe.takes_photos:
        return None
    return sum(commit.rows_ok for commit in recipe.upstream(recipe.previous).commits())


def _print_totals(name: str, totals: "StageTotals") -> None:
    """Print what a stage has now: its counts, what of them this run computed, and its means."""
    with still_terminal():
        _print_counts(name, totals)


def _print_counts(name: str, totals: "StageTotals") -> None:
    counts = {key: getattr(totals, key) for key in ("inputs", "ok", "rejected", "failed")}
    counts |= {"reasons": dict(totals.reasons.most_common())} if totals.reasons else {}
    counts |= {"computed": totals.computed, "kept": totals.inputs - totals.computed}
    if totals.computed:
        counts |= {"seconds": totals.computed_seconds}
    print_mapping(name, counts)
    means = [[key, f"{totals.mean(key) or 0.0:.4f}"] for key in totals.sums]
    if means:
        make_console().print(make_table(("mean over portraits", "value"), means))
    if totals.inputs and not totals.computed:
        print("nothing to do: all of it was computed by an earlier run, and is kept")
