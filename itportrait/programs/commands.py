"""The commands that run jobs: `demo`, `stylize-dataset`, `build-bank`, `compare`.

The files of `workflows/` run the same commands, one each, for `ray job submit`. Nothing that takes
time is imported before a command is called.
"""

import os
from collections.abc import Callable
from typing import Annotated, Literal

import typer

from itportrait.cli import complete
from itportrait.cli.options import BankUri, Bundle, Config, Set, former
from itportrait.cli.tools import demo_inputs
from itportrait.configuration.places import runs_folder
from itportrait.interrupts import starting_ends
from itportrait.jobs.endings import run_job
from itportrait.programs.calls import BuildCall, CompareCall, StylizeCall
from itportrait.terminal import Working

BankSpecification = Annotated[
    str,
    typer.Option(
        help="YAML of the bank, or the name of a shipped one: bank.",
        autocompletion=complete.configs,
    ),
]
Comparison = Annotated[
    str,
    typer.Option(
        help="YAML of the comparison, or the name of a shipped one: compare, experiments.",
        autocompletion=complete.configs,
    ),
]
BankSet = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as defaults.steps=40")
]
ComparisonSet = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as portraits=mini:16")
]
Output = Annotated[str, typer.Option(help="Folder or URI to write; a later run goes on there.")]
Domains = Annotated[
    str | None,
    typer.Option(help="These alone, as a,b.", autocompletion=complete.domains),
]
Address = Annotated[
    str | None, typer.Option(help="Ray: auto, host:port; default: an embedded Ray.")
]
Tracking = Annotated[
    str | None,
    typer.Option(
        help="Tracking URI, or none; default: $MLFLOW_TRACKING_URI, else mlflow.db in runs/."
    ),
]
ConfiguredTracking = Annotated[
    str, typer.Option(help="Tracking URI, or none; default: tracking.uri of the configuration.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse domains of which there is a warning.")
]


def stylize_dataset(
    config: Config,
    input: Annotated[
        str, typer.Option(help="Folder, glob, list, table or tar shards of photos.")
    ] = "",
    output: Output = "",
    bank: Annotated[
        str, typer.Option(help="Style bank: adapters are taken from it and published to it.")
    ] = "",
    domains: Domains = None,
    bundle: Bundle = "",
    mlflow: ConfiguredTracking = "",
    set_: Set = None,
    address: Address = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
    strict: Strict = False,
    retry: Annotated[
        Literal["failed"] | None, typer.Option(help="Compute failed records again.")
    ] = None,
) -> None:
    """Run the main job: photos aligned, inverted and stylized in every domain, and none lost.

    Run it again and it goes on where it was: what is committed is not computed again. Bad inputs
    are rows with their reason, not errors.

    Exit codes: 0 done; 1 a domain could not be adapted; 2 the call, the configuration or the
    storage is wrong; 75 another job holds the output; 130 stopped by Ctrl-C.
    """
    call = StylizeCall(
        config,
        set_=tuple(set_ or ()),
        input=input,
        output=output,
        bank=bank,
        domains=None if domains is None else domains.split(","),
        bundle=bundle,
        mlflow=mlflow,
        address=address,
        dry_run=dry_run,
        strict=strict,
        retry_failed=retry == "failed",
    )
    raise typer.Exit(run_job(lambda: _stylize(call)))


def demo(
    domains: Annotated[
        str | None,
        typer.Option(help="These alone, as a,b.", autocompletion=complete.demo_domains),
    ] = None,
    mlflow: ConfiguredTracking = "",
    set_: Set = None,
    address: Address = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
) -> None:
    """Run the whole path on embedded models: drawn photos into runs/demo, in three domains.

    Writes the photos first, then runs `stylize-dataset --config demo`. The gallery is
    runs/demo/gallery/index.html below the current folder ($ITPORTRAIT_RUNS is another place).
    """

    def start() -> int:
        demo_inputs(output=f"{runs_folder()}/demo-inputs")
        names = None if domains is None else domains.split(",")
        return _stylize(
            StylizeCall(
                "demo",
                set_=tuple(set_ or ()),
                domains=names,
                mlflow=mlflow,
                address=address,
                dry_run=dry_run,
            )
        )

    raise typer.Exit(run_job(start))


def build_bank(
    bank: BankUri,
    config: BankSpecification = "",
    date: Annotated[
        str | None, typer.Option(help="Names the build and its versions; default: today.")
    ] = None,
    domains: Domains = None,
    bundle: Bundle = "",
    mlflow: Tracking = None,
    set_: BankSet = None,
    address: Address = None,
    strict: Strict = False,
    if_busy: Annotated[
        Literal["leave", "wait"], typer.Option(help="What to do while another build is running.")
    ] = "leave",
    spec: Annotated[str, typer.Option("--spec", hidden=True)] = "",
) -> None:
    """Build a style bank: adapt the domains that changed, judge them, publish what is good enough.

    Exit codes: 0 done; 1 at least one domain failed; 2 the call or the specification is wrong;
    75 another build holds the bank; 130 stopped by Ctrl-C.
    """

    def start() -> int:
        call = BuildCall(
            former("--spec", spec, "--config", config, expected="the YAML of a bank, or a name"),
            bank,
            _tracking(mlflow),
            set_=tuple(set_ or ()),
            date=date,
            domains=() if domains is None else tuple(domains.split(",")),
            bundle=bundle,
            address=address,
            strict=strict,
            wait=if_busy == "wait",
        )
        with Working("build-bank: starting") as working:
            from itportrait.programs.build_style_bank import run

            return run(call, working)

    raise typer.Exit(run_job(start))


def compare(
    config: Comparison,
    output: Output = "",
    bundle: Bundle = "",
    mlflow: Tracking = None,
    set_: ComparisonSet = None,
    address: Address = None,
) -> None:
    """Compare methods: adapt every domain with each, stylize the same portraits, score all alike.

    Run it again and it goes on where it was: what is adapted and scored is not made again, and a
    changed method, domain or setting makes only what it touches. What cannot be made is a row with
    its reason.

    Exit codes: 0 done; 1 at least one cell failed; 2 the call, the configuration or the storage is
    wrong; 75 another job holds the output; 130 stopped by Ctrl-C.
    """

    def start() -> int:
        call = CompareCall(
            config,
            _tracking(mlflow),
            set_=tuple(set_ or ()),
            output=output,
            bundle=bundle,
            address=address,
        )
        with Working("compare: starting") as working:
            from itportrait.programs.compare_methods import run

            return run(call, working)

    raise typer.Exit(run_job(start))


def add_jobs(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (demo, stylize_dataset, build_bank, compare):
        app.command(rich_help_panel="Jobs")(command)


def run_alone(command: Callable[..., None], arguments: list[str] | None = None) -> int:
    """Run one command as a program of its own and return its exit code.

    Args:
        command: one of this module.
        arguments: of its command line; None takes those of the process.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(command)
    starting_ends()
    try:
        app(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _stylize(call: StylizeCall) -> int:
    with Working("stylize-dataset: starting") as working:
        from itportrait.programs.stylize_dataset import run

        return run(call, working)


def _tracking(mlflow: str | None) -> str:
    """Return the tracking URI that is given, in the call or by the surroundings."""
    if mlflow is not None:
        return mlflow
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs_folder()}/mlflow.db"
