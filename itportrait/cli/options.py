"""Options and words that several commands share."""

from typing import Annotated, Any

import typer

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


def device_of(name: str) -> str:
    """Return the torch device that is meant; `auto` is cuda where there is one.

    Raises:
        InvalidArgumentError: there is no such device.
    """
    from itportrait.bundle.devices import torch_device

    return str(torch_device(name, argument="--device"))


def print_mapping(title: str, values: dict[str, Any]) -> None:
    """Print a title, and each name with its value on a line below."""
    print(title)
    for key, value in values.items():
        print(f"  {key}: {value:.4f}" if isinstance(value, float) else f"  {key}: {value}")
