"""`itportrait`: every stage on a folder, in this process, by the same code as the jobs."""

import functools
import json
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from itportrait.errors import InvalidArgumentError, ItportraitError, NoInputError
from itportrait.text import show_any_text

if TYPE_CHECKING:
    from itportrait.records import InvertedRecord

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Portrait photos into 3D-consistent stylized portraits. Jobs on a cluster: workflows/.",
)
bank_app = typer.Typer(no_args_is_help=True, help="Look at a style bank and choose its champions.")
app.add_typer(bank_app, name="bank")

Config = Annotated[str, typer.Option(help="YAML of a job, such as configs/demo.yaml.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as align.size=256")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda where there is one.")]
Out = Annotated[str, typer.Argument(metavar="OUT", help="Folder or URI of the stages' tables.")]
BankUri = Annotated[str, typer.Option("--bank", help="Folder or URI of the style bank.")]
Mlflow = Annotated[
    str,
    typer.Option(
        envvar="MLFLOW_TRACKING_URI", help="Tracking URI whose registered models follow the bank."
    ),
]


def main() -> None:
    """Run the command line; expected errors are one line and exit code 2."""
    show_any_text()
    try:
        app()
    except ItportraitError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        _say_storage_failed(error)
        sys.exit(2)


def _say_storage_failed(error: OSError) -> None:
    if isinstance(error, BrokenPipeError):  # the reader of the output has gone: nobody to tell
        raise error
    from itportrait.io.uris import sentence_of

    print(f"error: {sentence_of(error)}", file=sys.stderr)


def _plain_errors(command: Callable) -> Callable:
    """Print an expected error in one line and exit with 2, however the command was called."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except ItportraitError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except OSError as error:
            _say_storage_failed(error)
            raise typer.Exit(2) from None

    return wrapped


@app.command()
@_plain_errors
def align(
    photos: Annotated[str, typer.Argument(help="Folder, glob, list, table or tar of photos.")],
    out: Out,
    config: Config = "",
    set_: Set = None,
    device: Device = "auto",
) -> None:
    """Find faces and cut them out as the generator expects, with their cameras."""
    from itportrait.ingest import in_eg3d_convention, list_sources
    from itportrait.jobs.stylize.config import load_job
    from itportrait.stages.shards import iter_shards

    job = load_job(config or None, set_, input=photos, output=out)
    listing = list_sources(job.input, patterns=job.ingest.patterns)
    sources = in_eg3d_convention(listing, job.ingest.camera_convention)
    shards = iter_shards(sources, job.shard_size())
    _run_stage(job.recipe("align", "", device=_device(device)), shards)
    if listing.skipped.counts:
        print(listing.skipped)


@app.command()
@_plain_errors
def invert(out: Out, config: Config = "", set_: Set = None, device: Device = "auto") -> None:
    """Find the generator's code of every aligned portrait of OUT."""
    from itportrait.bundle import load_bundle
    from itportrait.engine.local import committed_shards
    from itportrait.jobs.stylize.config import load_job

    job = load_job(config or None, set_, required=("output",), output=out)
    recipe = job.recipe("invert", load_bundle(job.bundle).model_id, device=_device(device))
    _run_stage(recipe, committed_shards(recipe, "align"))


@app.command()
@_plain_errors
def stylize(
    out: Out,
    bank: BankUri,
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

    job = load_job(config or None, set_, required=("output",), output=out, bank=bank)
    model_id, styles = load_bundle(job.bundle).model_id, Bank(job.bank)
    for name in [n for n in domains.split(",") if n] or styles.domains():
        version = find_champion(name, styles, job.bundle)
        recipe = job.recipe("stylize", model_id, device=_device(device), version=version)
        _run_stage(recipe, committed_shards(recipe, "invert"))


@app.command()
@_plain_errors
def adapt(
    name: Annotated[str, typer.Argument(help="Name of the style domain.")],
    bank: BankUri,
    prompt: Annotated[str, typer.Option(help="What portraits become: 'a bronze statue'.")] = "",
    reference: Annotated[
        list[str] | None, typer.Option(help="Style picture; may be repeated.")
    ] = None,
    source_prompt: Annotated[
        str, typer.Option(help="What they are before.")
    ] = "a photo of a person",
    steps: Annotated[int, typer.Option(help="Upper bound of the steps.")] = 401,
    method: Annotated[str, typer.Option(help="Adaptation method.")] = "itportrait",
    config: Config = "",
    set_: Set = None,
    device: Device = "auto",
) -> None:
    """Adapt the generator to a prompt, a picture, or both, and publish it to a bank."""
    from itportrait.adapt import DomainSpec
    from itportrait.bank.store import Bank
    from itportrait.bundle import load_bundle
    from itportrait.jobs.adapt_here import adapt_here
    from itportrait.jobs.domain_job import DomainJob
    from itportrait.jobs.stylize.config import load_job

    mode = "image_text" if prompt and reference else "text" if prompt else "image"
    job = load_job(config or None, set_, required=(), bank=bank)
    values = {"name": name, "mode": mode, "prompt": prompt or None, "references": reference or []}
    values |= {"source_prompt": source_prompt, "steps": steps, "method": method}
    spec = DomainSpec.parse(values, source="domain")
    task = DomainJob.of(
        spec,
        bundle=job.bundle,
        adapt=job.adapt,
        align=job.align,
        model_id=load_bundle(job.bundle).model_id,
    )
    styles = Bank(job.bank)
    version = task.find_in(styles)
    if version is None:
        trained = adapt_here(task, device=_device(device), on_report=_print_report)
        version = styles.publish(trained.version(), trained.files)
    else:
        print("the bank holds this very domain already; nothing to do")
    _print_mapping(f"{name} {version.version}", version.metrics)


@app.command()
@_plain_errors
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
    from itportrait.evaluate import ProbeConfig
    from itportrait.io import uris
    from itportrait.jobs.bank.scores import ScoreJob, score_job

    styles, found = Bank(bank), {}
    for name in [n for n in domains.split(",") if n] or styles.domains():
        version = styles.champion(name)
        adapter = uris.read_bytes(version.file("adapter.safetensors"))
        job = ScoreJob(
            bundle=bundle,
            spec=DomainSpec.model_validate(version.spec),
            references=tuple(uris.read_bytes(version.file(r)) for r in version.references),
            truth=truth or None,
            adapters={"champion": adapter},
            probe=ProbeConfig(),
            pictures=1,
        )
        found[name] = score_job(job, _device(device)).metrics["champion"]
        if not json_:
            _print_mapping(name, found[name])
    if json_:
        print(json.dumps(found, indent=1))


@app.command("export-mesh")
@_plain_errors
def export_mesh(
    out: Out,
    record: Annotated[str, typer.Argument(help="record_id of a portrait, or a part of its URI.")],
    to: Annotated[str, typer.Option("--to", help="File: .glb, .ply or .obj.")] = "mesh.glb",
    domain: Annotated[str, typer.Option(help="Style domain; default: as photographed.")] = "",
    bank: Annotated[str, typer.Option("--bank", help="Style bank of the domain.")] = "",
    resolution: Annotated[int, typer.Option(help="Grid points along each side.")] = 160,
    config: Config = "",
    set_: Set = None,
    device: Device = "auto",
) -> None:
    """Write the colored mesh of one inverted portrait of OUT."""
    import torch

    from itportrait.bank.store import Bank
    from itportrait.engine.stage_functions import build_stylizer, warm_bundle
    from itportrait.io import uris
    from itportrait.jobs.ready_made import find_champion
    from itportrait.jobs.stylize.config import load_job
    from itportrait.pages import MeshOptions, encode_mesh, extract_mesh

    kind = to.rpartition(".")[2].lower()
    if kind not in ("glb", "ply", "obj"):
        raise InvalidArgumentError("--to", expected="a .glb, .ply or .obj file", actual=repr(to))
    job = load_job(config or None, set_, required=("output",), output=out, bank=bank)
    models = warm_bundle(job.bundle, _device(device))
    code = _find_code(job.recipe("invert", models.model_id), record)
    generator = models.generator
    if domain:
        version = find_champion(domain, Bank(job.bank), job.bundle)
        recipe = job.recipe("stylize", models.model_id, device=_device(device), version=version)
        generator = build_stylizer(recipe).generator(domain)
    ws = torch.as_tensor(code.w_plus).view(1, generator.num_ws, generator.w_dim)
    mesh = extract_mesh(generator, ws.to(generator.w_avg), MeshOptions(resolution=resolution))
    uris.put_bytes(to, encode_mesh(mesh, kind))
    print(f"{to}: {len(mesh.vertices)} vertices, {len(mesh.faces)} triangles")


@app.command("import-eg3d")
@_plain_errors
def import_eg3d(
    file: Annotated[str, typer.Argument(help="Published checkpoint, such as ffhq512-128.pkl.")],
    out: Annotated[str, typer.Option("--out", help="Folder of the new model bundle.")],
    plane_axes: Annotated[
        str, typer.Option(help="Planes it was trained with: eg3d or fixed.")
    ] = "eg3d",
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "ffhq512",
) -> None:
    """Convert a published EG3D checkpoint into a model bundle; no code of the file is run."""
    from typing import get_args

    from itportrait.bundle import import_eg3d as convert
    from itportrait.errors import UnknownNameError
    from itportrait.geometry.planes import PlaneAxes

    known = [str(axes) for axes in get_args(getattr(PlaneAxes, "__value__", PlaneAxes))]
    if plane_axes not in known:
        raise UnknownNameError("plane axes", plane_axes, known)
    spec = convert(file, out, plane_axes=plane_axes, name=name)  # type: ignore[arg-type]
    print(f"{out}: bundle {spec.model_id}. {spec.license}")


@app.command("sample-portraits")
@_plain_errors
def sample_portraits(
    out: Annotated[str, typer.Argument(help="Folder or URI.")],
    count: Annotated[int, typer.Option(help="Photos, one person each.")] = 8,
    seed: Annotated[int, typer.Option(help="Of people and cameras.")] = 0,
    size: Annotated[int, typer.Option(help="Pixels along each side.")] = 512,
) -> None:
    """Draw procedural portraits as unaligned photos, with truth.parquet beside them."""
    from itportrait.mini.samples import write_sample_portraits

    print(f"{len(write_sample_portraits(out, count, seed, size))} photos in {out}")


@app.command("demo-inputs")
@_plain_errors
def demo_inputs(
    out: Annotated[str, typer.Argument(help="Folder or URI; photos go to OUT/photos.")],
    count: Annotated[int, typer.Option(help="Drawn portraits.")] = 8,
) -> None:
    """Write the demo's photos: drawn portraits, the astronaut, one without a face, one broken."""
    from itportrait.io import uris
    from itportrait.mini.demo import write_demo_inputs

    if uris.exists(uris.join(out, "photos", "truth.parquet")):
        print(f"{out}/photos is there already")
        return
    print(f"{len(write_demo_inputs(out, count=count))} photos in {out}/photos")


@app.command()
@_plain_errors
def doctor() -> None:
    """Say what this machine has, and what to do about what is missing."""
    from itportrait.doctor import examine

    table = Table(show_header=True, title_justify="left")
    for column in ("what", "state", "about", "what to do"):
        table.add_column(column, overflow="fold")
    findings = examine()
    for finding in findings:
        state = "ok" if finding.ok else "missing" if finding.needed else "absent"
        table.add_row(finding.what, state, finding.about, finding.remedy)
    Console(highlight=False).print(table)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)


@bank_app.command("list")
@_plain_errors
def bank_list(bank: Annotated[str, typer.Argument(help="Folder or URI of the bank.")]) -> None:
    """List the domains with their champions and scores."""
    from itportrait.bank.store import Bank

    index = Bank(bank).index()["domains"]
    if not index:
        raise NoInputError(
            f"no bank at {bank}: bank.json is missing; `itportrait adapt` begins one"
        )
    table = Table()
    for column in ("domain", "champion", "versions", "identity", "clip_direction", "clip_image"):
        table.add_column(column)
    for name, entry in sorted(index.items()):
        metrics = entry["versions"].get(entry["champion"], {}).get("metrics", {})
        scores = [metrics.get(key) for key in ("identity", "clip_direction", "clip_image")]
        shown = ["-" if score is None else f"{score:.3f}" for score in scores]
        table.add_row(name, entry["champion"] or "-", str(len(entry["versions"])), *shown)
    Console(highlight=False).print(table)


@bank_app.command("show")
@_plain_errors
def bank_show(
    bank: Annotated[str, typer.Argument(help="Folder or URI of the bank.")],
    domain: Annotated[str, typer.Argument(help="Name of the domain.")],
    version: Annotated[str, typer.Option(help="Default: the champion.")] = "",
) -> None:
    """Print the card of a version as JSON."""
    from dataclasses import asdict

    from itportrait.bank.store import Bank

    styles = Bank(bank)
    card = styles.read(domain, version) if version else styles.champion(domain)
    print(json.dumps({**asdict(card), "versions": styles.versions(domain)}, indent=1))


@bank_app.command("promote")
@_plain_errors
def bank_promote(bank: str, domain: str, version: str, mlflow: Mlflow = "none") -> None:
    """Make a version champion."""
    from itportrait.bank.store import Bank

    Bank(bank).promote(domain, version)
    print(f"{domain}: champion is {version}")
    _register_models(bank, mlflow, [domain])


@bank_app.command("rollback")
@_plain_errors
def bank_rollback(bank: str, domain: str, mlflow: Mlflow = "none") -> None:
    """Make the former champion champion again."""
    from itportrait.bank.store import Bank

    print(f"{domain}: champion is {Bank(bank).rollback(domain)}")
    _register_models(bank, mlflow, [domain])


@bank_app.command("register")
@_plain_errors
def bank_register(bank: str, mlflow: Mlflow = "none") -> None:
    """Send MLflow what it missed while it was down: points that wait, versions, champions."""
    from itportrait.bank.store import Bank
    from itportrait.tracking import replay_spool

    if mlflow in ("", "none"):
        raise InvalidArgumentError("--mlflow", expected="a tracking URI", actual=repr(mlflow))
    backlog = replay_spool(mlflow, patience_s=3600.0)
    if backlog:
        print(backlog)
    domains = list(Bank(bank).index()["domains"])
    if backlog or not _register_models(bank, mlflow, domains):
        raise typer.Exit(1)
    print(f"{len(domains)} registered models are in step with {bank}")


@bank_app.command("prune")
@_plain_errors
def bank_prune(bank: str, domain: str, keep: int = 3) -> None:
    """Remove old versions, but for the champion, its predecessor and the KEEP newest."""
    from itportrait.bank.store import Bank

    removed = Bank(bank).prune(domain, keep=keep)
    print(f"{domain}: {len(removed)} versions removed {' '.join(removed)}".rstrip())


def _run_stage(recipe, shards: Iterable) -> None:
    """Run a stage in this process under the output's lease, and print its counts."""
    from itportrait.engine.local import run_stage
    from itportrait.io.lease import Lease

    def show(commit) -> None:
        print(
            f"{recipe.name} shard {commit.shard}: {commit.ok} ok, {commit.rejected} rejected, "
            f"{commit.failed} failed",
            file=sys.stderr,
        )

    with Lease(recipe.output, what=f"itportrait {recipe.name}"):
        totals = run_stage(recipe, shards, show)
    _print_mapping(recipe.name, {k: v for k, v in totals.to_json().items() if v != {}})


def _find_code(recipe, record: str) -> "InvertedRecord":
    """Return the inverted record with this id, or whose photo's URI contains the text."""
    from itportrait.records import InvertedRecord, Status

    aligned = recipe.upstream("align")
    for commit in recipe.table().commits():
        photos = aligned.read_commit(commit.shard)
        rows = aligned.read_rows(photos, pixels=False) if photos else []
        ids = {r.record.record_id for r in rows if record in getattr(r.record, "uri", "")}
        for row in recipe.table().read_rows(commit, pixels=False):
            found = row.record
            if not isinstance(found, InvertedRecord) or found.status is not Status.OK:
                continue
            if found.record_id == record or found.record_id in ids:
                return found
    raise NoInputError(f"no inverted portrait {record!r} in {recipe.output}; see inverted/records")


def _register_models(bank: str, mlflow: str, domains: list[str]) -> bool:
    """Let registered models follow the bank; say what they could not, and whether all is done."""
    from itportrait.bank.store import Bank
    from itportrait.jobs.bank.models import BankModels

    problems = BankModels(Bank(bank), mlflow).sync(domains)
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    return not problems


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def _print_report(report) -> None:
    names = ("style", "identity", "depth_variance")
    scores = ", ".join(f"{n} {report.metrics[n]:.3f}" for n in names if n in report.metrics)
    print(f"step {report.step}: {scores}{' (kept)' if report.kept else ''}", file=sys.stderr)


def _print_mapping(title: str, values: dict[str, Any]) -> None:
    print(title)
    for key, value in values.items():
        print(f"  {key}: {value:.4f}" if isinstance(value, float) else f"  {key}: {value}")


if __name__ == "__main__":
    main()
