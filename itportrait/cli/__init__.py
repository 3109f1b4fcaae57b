"""`itportrait`: every stage on a folder, in this process, by the same code as the jobs."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

import typer

import itportrait
from itportrait.cli import adapt, bank, export, mesh, models, stages, tools
from itportrait.interrupts import Interrupts, raised_interrupts
from itportrait.jobs.endings import tell_end
from itportrait.text import show_any_text

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Portrait photos into 3D-consistent stylized portraits; start with `itportrait demo`.",
)
bank_app = typer.Typer(no_args_is_help=True, help="Look at a style bank and choose its champions.")
models_app = typer.Typer(
    no_args_is_help=True, help="Get networks that others publish, and use them."
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"itportrait {itportrait.__version__}")
        raise typer.Exit


@app.callback()
def whole(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


def plain_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print an expected error in one line and exit with 2, however the command was called."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        show_any_text()
        interrupts = Interrupts()
        try:
            with raised_interrupts() as interrupts:
                return command(*arguments, **options)
        except BrokenPipeError:  # the reader of the output has gone: there is nobody to tell
            raise
        except (Exception, KeyboardInterrupt) as error:
            if (code := tell_end(error, interrupts)) is None:
                raise
            raise typer.Exit(code) from None

    return wrapped


for _command in (
    stages.align,
    stages.invert,
    stages.stylize,
    adapt.adapt,
    stages.evaluate,
    export.export,
    mesh.export_mesh,
    tools.import_eg3d,
    tools.sample_portraits,
    tools.demo_inputs,
    tools.doctor,
):
    app.command()(plain_errors(_command))
app.command("import-open-clip")(plain_errors(models.import_file))
for _name, _command in {
    "list": bank.list_domains,
    "show": bank.show,
    "promote": bank.promote,
    "rollback": bank.rollback,
    "register": bank.register,
    "prune": bank.prune,
}.items():
    bank_app.command(_name)(plain_errors(_command))
app.add_typer(bank_app, name="bank")
for _name, _command in {
    "list": models.list_models,
    "get": models.get,
    "path": models.path,
    "use": models.use,
}.items():
    models_app.command(_name)(plain_errors(_command))
app.add_typer(models_app, name="models")
