"""Options and words that several commands share: each means the same wherever it stands."""

import sys
from typing import Annotated, Any

import typer

from itportrait.cli import complete
from itportrait.errors import InvalidArgumentError

Config = Annotated[
    str,
    typer.Option(
        help="YAML of a job, or the name of a shipped one, such as demo.",
        autocompletion=complete.configs,
    ),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as align.size=256")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda where there is one.")]
Out = Annotated[str, typer.Argument(metavar="[OUT]", help="The same as --output.")]
Output = Annotated[str, typer.Option(help="Folder or URI of the stages' tables.")]
Bundle = Annotated[str, typer.Option(help="Base model: mini, a folder or a URI.")]
BankUri = Annotated[str, typer.Option("--bank", help="Folder or URI of the style bank.")]
Mlflow = Annotated[
    str,
    typer.Option(
        envvar="MLFLOW_TRACKING_URI", help="Tracking URI whose registered models follow the bank."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def output_of(out: str, output: str) -> str:
    """Return what is given as OUT or as --output.

    Raises:
        InvalidArgumentError: neither is given, or both are.
    """
    if bool(out) == bool(output):
        raise InvalidArgumentError(
            "--output",
            expected="a folder or URI",
            actual=f"{output!r} and OUT {out!r}" if out else "nothing",
        )
    return out or output


def former(
    name: str, value: str, now: str, present: str, *, expected: str = "a folder or URI"
) -> str:
    """Return an option's value, given under its former name or under its present one.

    Args:
        name: the former name.
        value: given under it.
        now: the present name.
        present: given under that.
        expected: what it must be.

    Raises:
        InvalidArgumentError: neither is given.
    """
    if value:
        print(f"note: {name} is called {now} now", file=sys.stderr)
    if not (present or value):
        raise InvalidArgumentError(now, expected=expected, actual="nothing")
    return present or value


def device_of(name: str) -> str:
    """Return the torch device that is meant; `auto` is cuda where there is one.

    Raises:
        InvalidArgumentError: there is no such device.
    """
    from itportrait.bundle.devices import torch_device

    return str(torch_device(name, argument="--device"))


def print_mapping(title: str, values: dict[str, Any]) -> None:
    """Print a title, and each name with its value on a line below, sections deeper."""
    print(title)
    _print_values(values, "  ")


def _print_values(values: dict[str, Any], indent: str) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            print(f"{indent}{key}:")
            _print_values(value, indent + "  ")
        else:
            print(f"{indent}{key}: {f'{value:.4f}' if isinstance(value, float) else value}")
