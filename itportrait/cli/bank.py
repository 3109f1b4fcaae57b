"""Commands that look at a style bank and choose its champions: `itportrait bank …`."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from itportrait.cli.options import Mlflow
from itportrait.errors import InvalidArgumentError


def list_domains(bank: Annotated[str, typer.Argument(help="Folder or URI of the bank.")]) -> None:
    """List the domains with their champions and scores."""
    from itportrait.bank.store import Bank

    index = Bank(bank).existing().index()["domains"]
    table = Table()
    for column in ("domain", "champion", "versions", "identity", "clip_direction", "clip_image"):
        table.add_column(column)
    for name, entry in sorted(index.items()):
        metrics = entry["versions"].get(entry["champion"], {}).get("metrics", {})
        scores = [metrics.get(key) for key in ("identity", "clip_direction", "clip_image")]
        shown = ["-" if score is None else f"{score:.3f}" for score in scores]
        table.add_row(name, entry["champion"] or "-", str(len(entry["versions"])), *shown)
    Console(highlight=False).print(table)


def show(
    bank: Annotated[str, typer.Argument(help="Folder or URI of the bank.")],
    domain: Annotated[str, typer.Argument(help="Name of the domain.")],
    version: Annotated[str, typer.Option(help="Default: the champion.")] = "",
) -> None:
    """Print the card of a version as JSON."""
    from dataclasses import asdict

    from itportrait.bank.store import Bank

    styles = Bank(bank).existing()
    card = styles.read(domain, version) if version else styles.champion(domain)
    print(json.dumps({**asdict(card), "versions": styles.versions(domain)}, indent=1))


def promote(bank: str, domain: str, version: str, mlflow: Mlflow = "none") -> None:
    """Make a version champion."""
    from itportrait.bank.store import Bank

    Bank(bank).existing().promote(domain, version)
    print(f"{domain}: champion is {version}")
    _register_models(bank, mlflow, [domain])


def rollback(bank: str, domain: str, mlflow: Mlflow = "none") -> None:
    """Make the former champion champion again."""
    from itportrait.bank.store import Bank

    print(f"{domain}: champion is {Bank(bank).existing().rollback(domain)}")
    _register_models(bank, mlflow, [domain])


def register(bank: str, mlflow: Mlflow = "none") -> None:
    """Send MLflow what it missed while it was down: points that wait, versions, champions."""
    from itportrait.bank.store import Bank
    from itportrait.tracking import replay_spool

    if mlflow in ("", "none"):
        raise InvalidArgumentError("--mlflow", expected="a tracking URI", actual=repr(mlflow))
    domains = list(Bank(bank).existing().index()["domains"])
    backlog = replay_spool(mlflow, patience_s=3600.0)
    if backlog:
        print(backlog)
    if backlog or not _register_models(bank, mlflow, domains):
        raise typer.Exit(1)
    print(f"{len(domains)} registered models are in step with {bank}")


def prune(bank: str, domain: str, keep: int = 3) -> None:
    """Remove old versions, but for the champion, its predecessor and the KEEP newest."""
    from itportrait.bank.store import Bank

    removed = Bank(bank).existing().prune(domain, keep=keep)
    print(f"{domain}: {len(removed)} versions removed {' '.join(removed)}".rstrip())


def _register_models(bank: str, mlflow: str, domains: list[str]) -> bool:
    """Let registered models follow the bank; say what they could not, and whether all is done."""
    from itportrait.bank.store import Bank
    from itportrait.jobs.bank.models import BankModels

    problems = BankModels(Bank(bank), mlflow).sync(domains)
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    return not problems
